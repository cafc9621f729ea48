-- Seats that are set aside. The row without a holder is what everybody locks who takes one; its seats only count.

CREATE TABLE IF NOT EXISTS {seats} (
  tenant {id} NOT NULL,
  holder {id} NOT NULL,
  pool {id} NOT NULL,
  seats BIGINT NOT NULL,
  freeing BIGINT NOT NULL,
  until_ms BIGINT NOT NULL,
  PRIMARY KEY (tenant, holder, pool)
){suffix};
