-- ot-sensor store: lists of addresses, networks and domains that are known to be bad.

CREATE TABLE indicator_list (
    name      TEXT PRIMARY KEY,
    source    TEXT NOT NULL,              -- the file it came from
    format    TEXT NOT NULL,              -- 'text', 'csv', 'stix'
    who       TEXT NOT NULL,
    wall_time INTEGER NOT NULL            -- when it was imported
) WITHOUT ROWID;

CREATE TABLE indicator (
    list    TEXT NOT NULL REFERENCES indicator_list (name) ON DELETE CASCADE,
    kind    TEXT NOT NULL CHECK (kind IN ('address', 'network', 'domain')),
    value   TEXT NOT NULL,
    note    TEXT NOT NULL,
    expires INTEGER,                      -- packet time from which on it no longer counts
    PRIMARY KEY (list, kind, value)
) WITHOUT ROWID;

-- Raised by each change, so that a running engine notices.
CREATE TABLE indicator_change (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL
);
INSERT INTO indicator_change VALUES (1, 0);
