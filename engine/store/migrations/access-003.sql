-- What a token is for: ids of scopes, separated by a comma; '' for all that its role may.

ALTER TABLE token ADD COLUMN scopes TEXT NOT NULL DEFAULT '';
