-- Configurations, baselines, plans, runs, journals, leases and mails. Times are milliseconds since 1970, UTC.

CREATE TABLE IF NOT EXISTS {configs} (
  tenant {id} NOT NULL,
  id {id} NOT NULL,
  name {text} NOT NULL,
  revision BIGINT NOT NULL,
  data {text} NOT NULL,
  PRIMARY KEY (tenant, id)
){suffix};

CREATE TABLE IF NOT EXISTS {baselines} (
  tenant {id} NOT NULL,
  config_id {id} NOT NULL,
  run_id {id} NOT NULL,
  members BIGINT NOT NULL,
  PRIMARY KEY (tenant, config_id)
){suffix};

CREATE TABLE IF NOT EXISTS {plans} (
  tenant {id} NOT NULL,
  id {id} NOT NULL,
  config_id {id} NOT NULL,
  edition BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  data {text} NOT NULL,
  head {text} NOT NULL,
  PRIMARY KEY (tenant, id)
){suffix};

CREATE TABLE IF NOT EXISTS {runs} (
  tenant {id} NOT NULL,
  id {id} NOT NULL,
  config_id {id} NOT NULL,
  status {word} NOT NULL,
  started BIGINT NOT NULL,
  finished BIGINT NOT NULL,
  data {text} NOT NULL,
  PRIMARY KEY (tenant, id)
){suffix};

CREATE TABLE IF NOT EXISTS {parts} (
  tenant {id} NOT NULL,
  kind {word} NOT NULL,
  owner {id} NOT NULL,
  number INTEGER NOT NULL,
  data {blob} NOT NULL,
  PRIMARY KEY (tenant, kind, owner, number)
){suffix};

CREATE TABLE IF NOT EXISTS {journal} (
  tenant {id} NOT NULL,
  run_id {id} NOT NULL,
  number INTEGER NOT NULL,
  data {blob} NOT NULL,
  PRIMARY KEY (tenant, run_id, number)
){suffix};

CREATE TABLE IF NOT EXISTS {leases} (
  tenant {id} NOT NULL,
  config_id {id} NOT NULL,
  run_id {id} NOT NULL,
  token BIGINT NOT NULL,
  until_ms BIGINT NOT NULL,
  held INTEGER NOT NULL,
  cancel INTEGER NOT NULL,
  PRIMARY KEY (tenant, config_id)
){suffix};

CREATE TABLE IF NOT EXISTS {mails} (
  tenant {id} NOT NULL,
  mail_key {id} NOT NULL,
  run_id {id} NOT NULL,
  config_id {id} NOT NULL,
  state {word} NOT NULL,
  queued BIGINT NOT NULL,
  position BIGINT NOT NULL,
  data {text} NOT NULL,
  PRIMARY KEY (tenant, mail_key)
){suffix};

{index:runs_by_config} ON {runs} (tenant, config_id, started);

{index:mails_by_run} ON {mails} (tenant, run_id, position);

{index:mails_by_state} ON {mails} (tenant, state, queued);
