-- Questions that people keep. `list` and `query` are what the console's lists understand.

CREATE TABLE question (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    user    INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    name    TEXT NOT NULL,
    list    TEXT NOT NULL,
    query   TEXT NOT NULL,
    created INTEGER NOT NULL
);
CREATE INDEX question_user ON question (user);
