-- Tokens of set-password links: hashes, never tokens. Times are milliseconds since 1970, UTC; held is 0 for never.

CREATE TABLE IF NOT EXISTS {tokens} (
  tenant {id} NOT NULL,
  hash {id} NOT NULL,
  user_id {id} NOT NULL,
  created BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  held BIGINT NOT NULL,
  PRIMARY KEY (tenant, hash)
){suffix};

{index:tokens_by_user} ON {tokens} (tenant, user_id);

{index:tokens_by_end} ON {tokens} (tenant, expires);
