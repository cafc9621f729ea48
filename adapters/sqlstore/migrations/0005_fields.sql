-- Fields that were added to the schema, as JSON, in the order of their positions.

CREATE TABLE IF NOT EXISTS {fields} (
  tenant {id} NOT NULL,
  name {id} NOT NULL,
  position BIGINT NOT NULL,
  data {text} NOT NULL,
  PRIMARY KEY (tenant, name)
){suffix};
