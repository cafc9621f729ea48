-- When a mail is to be sent, or is taken for one of a process that is gone: milliseconds since 1970, UTC.

ALTER TABLE {mails} ADD COLUMN due BIGINT NOT NULL DEFAULT 0;
