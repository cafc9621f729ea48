-- Imports in the background; their uploads are parts of the kind 'import'. Times are milliseconds since 1970, UTC;
-- finished is 0 for not yet.

CREATE TABLE IF NOT EXISTS {imports} (
  tenant {id} NOT NULL,
  id {id} NOT NULL,
  config_id {id} NOT NULL,
  status {word} NOT NULL,
  created BIGINT NOT NULL,
  finished BIGINT NOT NULL,
  edition BIGINT NOT NULL,
  data {text} NOT NULL,
  PRIMARY KEY (tenant, id)
){suffix};

{index:imports_by_status} ON {imports} (tenant, status, created);

{index:imports_by_time} ON {imports} (tenant, created);
