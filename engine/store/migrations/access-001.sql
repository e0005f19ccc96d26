-- Who may use the console. A file of its own beside the store. Times are wall time, nanoseconds since 1970.

CREATE TABLE user (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    name         TEXT NOT NULL UNIQUE COLLATE NOCASE,
    role         TEXT NOT NULL CHECK (role IN ('viewer', 'analyst', 'administrator')),
    password     TEXT NOT NULL,            -- argon2, PHC format
    created      INTEGER NOT NULL,
    last_sign_in INTEGER
);

CREATE TABLE session (
    digest    BLOB PRIMARY KEY,            -- SHA-256 of what the cookie holds
    user      INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    csrf      TEXT NOT NULL,
    created   INTEGER NOT NULL,
    last_used INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX session_user ON session (user);
CREATE INDEX session_used ON session (last_used);

CREATE TABLE token (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    digest    BLOB NOT NULL UNIQUE,        -- SHA-256 of the token
    user      INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    label     TEXT NOT NULL,
    role      TEXT NOT NULL CHECK (role IN ('viewer', 'analyst', 'administrator')),
    created   INTEGER NOT NULL,
    expires   INTEGER,
    last_used INTEGER
);
CREATE INDEX token_user ON token (user);

CREATE TABLE audit (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    time    INTEGER NOT NULL,
    who     TEXT NOT NULL,
    address TEXT NOT NULL,
    action  TEXT NOT NULL,
    detail  TEXT NOT NULL
);

CREATE TABLE request (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    who    TEXT NOT NULL,
    key    TEXT NOT NULL,
    digest BLOB NOT NULL,                  -- SHA-256 of what was asked for
    time   INTEGER NOT NULL,
    status INTEGER,                        -- once it is done
    body   BLOB,
    UNIQUE (who, key)
);
