-- ot-sensor store, version 1.
--
-- Times are nanoseconds since 1970-01-01 UTC: packet time, except in columns named wall_*.
-- Frames are two columns: file (input.file) and frame (number within the file from 1; 0: none).
-- Lists keep their order in a column place, from 0. Truth values are 0 and 1.
-- MAC addresses: 00:11:22:33:44:55. Sub-addresses: 'unit 3', 'link 10', 'rack 0 slot 2', '' for none.
-- Columns that name a device, an entry or an alert without a foreign key may outlive what they name.

-- Runs: each replay, each start of live capture.
CREATE TABLE run (
    id            INTEGER PRIMARY KEY,
    kind          TEXT NOT NULL CHECK (kind IN ('replay', 'live')),
    state         TEXT NOT NULL CHECK (state IN ('running', 'done', 'aborted')),
    sensor        TEXT NOT NULL,
    site          TEXT NOT NULL,
    options       TEXT NOT NULL,           -- what besides the inputs decides the result (learning, version)
    wall_started  INTEGER NOT NULL,
    wall_finished INTEGER,
    attempts      INTEGER NOT NULL,        -- starts of this run: 1, and 1 more for each time it resumed
    position      INTEGER NOT NULL,        -- last packet whose consequences are committed
    packets       INTEGER NOT NULL
);

-- Input files, numbered from 0 over the whole store.
CREATE TABLE input (
    file    INTEGER PRIMARY KEY,
    run     INTEGER NOT NULL REFERENCES run (id),
    path    TEXT NOT NULL,
    sha256  TEXT NOT NULL,                 -- '' where the input could not be read twice (standard input)
    bytes   INTEGER NOT NULL,
    packets INTEGER                        -- once it was read to its end
);
CREATE INDEX input_run ON input (run);

-- Inventory.
CREATE TABLE device (
    id         INTEGER PRIMARY KEY,
    name       TEXT,
    mac        TEXT,
    sub        TEXT NOT NULL,
    parent     INTEGER,
    vendor     TEXT,
    role       TEXT NOT NULL,
    purdue     INTEGER,
    ot         INTEGER NOT NULL,
    learned    INTEGER NOT NULL,
    zone       TEXT,
    first_seen INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL
);
CREATE INDEX device_mac ON device (mac) WHERE mac IS NOT NULL;
CREATE INDEX device_parent ON device (parent) WHERE parent IS NOT NULL;

CREATE TABLE device_address (
    device     INTEGER NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    place      INTEGER NOT NULL,
    ip         TEXT NOT NULL,
    vlan       INTEGER,
    first_seen INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL,
    PRIMARY KEY (device, place)
) WITHOUT ROWID;
CREATE INDEX device_address_ip ON device_address (ip);

CREATE TABLE device_identity (
    device     INTEGER NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    place      INTEGER NOT NULL,
    property   TEXT NOT NULL,
    value      TEXT NOT NULL,
    source     TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL,
    file       INTEGER NOT NULL,
    frame      INTEGER NOT NULL,
    PRIMARY KEY (device, place)
) WITHOUT ROWID;

CREATE TABLE device_role_reason (
    device INTEGER NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    place  INTEGER NOT NULL,
    role   TEXT NOT NULL,
    reason TEXT NOT NULL,
    time   INTEGER NOT NULL,
    file   INTEGER NOT NULL,
    frame  INTEGER NOT NULL,
    PRIMARY KEY (device, place)
) WITHOUT ROWID;

CREATE TABLE device_protocol (
    device     INTEGER NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    place      INTEGER NOT NULL,
    protocol   TEXT NOT NULL,
    as_client  INTEGER NOT NULL,
    as_server  INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL,
    PRIMARY KEY (device, place)
) WITHOUT ROWID;
CREATE INDEX device_protocol_protocol ON device_protocol (protocol);

-- Baseline: what was observed, and whether it is allowed. Neighbours of a device are the entries of kind 'connection'.
CREATE TABLE baseline (
    id             INTEGER PRIMARY KEY,
    kind           TEXT NOT NULL,
    client         INTEGER,
    server         INTEGER,
    protocol       TEXT NOT NULL,
    port           INTEGER,
    function       INTEGER,
    subfunction    INTEGER,
    space          TEXT NOT NULL,
    number         INTEGER,
    start_address  INTEGER,
    end_address    INTEGER,
    text           TEXT,
    allowed        INTEGER NOT NULL,
    origin         TEXT NOT NULL CHECK (origin IN ('traffic', 'observed', 'person', 'import')),
    origin_by      TEXT,                   -- the person, or the file
    count          INTEGER NOT NULL,
    learned_count  INTEGER NOT NULL,
    first_seen     INTEGER NOT NULL,
    last_seen      INTEGER NOT NULL,
    file           INTEGER NOT NULL,       -- of the first observation
    frame          INTEGER NOT NULL,
    allowed_at     INTEGER,
    expires        INTEGER,
    min_value      REAL,
    max_value      REAL,
    interval_count INTEGER NOT NULL,
    interval_sum   INTEGER NOT NULL,       -- nanoseconds, as are the next two
    interval_min   INTEGER NOT NULL,
    interval_max   INTEGER NOT NULL,
    label          TEXT NOT NULL
);
CREATE INDEX baseline_client ON baseline (client, kind);
CREATE INDEX baseline_server ON baseline (server, kind);

-- Process memory.
CREATE TABLE point (
    device        INTEGER NOT NULL,
    protocol      TEXT NOT NULL,
    space         TEXT NOT NULL,
    number        INTEGER NOT NULL,        -- -1 where the space has no number
    address       INTEGER NOT NULL,
    first_seen    INTEGER NOT NULL,
    last_seen     INTEGER NOT NULL,
    min_value     REAL,
    max_value     REAL,
    readers       TEXT NOT NULL,           -- device ids, separated by a comma
    writers       TEXT NOT NULL,
    poll_interval INTEGER,                 -- nanoseconds
    PRIMARY KEY (device, protocol, space, number, address)
) WITHOUT ROWID;

-- Alerts.
CREATE TABLE alert (
    number            INTEGER PRIMARY KEY,
    id                TEXT NOT NULL UNIQUE,
    run               INTEGER,             -- the run that opened it
    type              TEXT NOT NULL,
    engine            TEXT NOT NULL,
    category          TEXT NOT NULL,
    key               TEXT NOT NULL,       -- violations with the same key fold into one alert
    opening           INTEGER NOT NULL,
    severity          INTEGER NOT NULL,    -- 1 warning, 2 minor, 3 major, 4 critical
    status            TEXT NOT NULL CHECK (status IN ('new', 'active', 'closed')),
    learned           INTEGER NOT NULL,
    muted             INTEGER NOT NULL,
    first_detection   INTEGER NOT NULL,
    last_detection    INTEGER NOT NULL,
    count             INTEGER NOT NULL,
    protocol          TEXT,
    outcome           TEXT CHECK (outcome IN ('pending', 'ok', 'rejected', 'unanswered')),
    outcome_code      INTEGER,             -- where rejected
    outcome_name      TEXT,
    source_count      INTEGER NOT NULL,
    destination_count INTEGER NOT NULL,
    description       TEXT NOT NULL,
    why               TEXT NOT NULL,
    violation_count   INTEGER NOT NULL
);
CREATE INDEX alert_filter ON alert (status, severity, type, engine, protocol, last_detection);
CREATE INDEX alert_time ON alert (last_detection);
CREATE INDEX alert_type ON alert (type);
CREATE INDEX alert_key ON alert (key);

CREATE TABLE alert_peer (
    alert  INTEGER NOT NULL REFERENCES alert (number) ON DELETE CASCADE,
    role   TEXT NOT NULL CHECK (role IN ('source', 'destination')),
    place  INTEGER NOT NULL,
    device INTEGER,
    ip     TEXT,
    mac    TEXT,
    sub    TEXT NOT NULL,
    PRIMARY KEY (alert, role, place)
) WITHOUT ROWID;
CREATE INDEX alert_peer_device ON alert_peer (device, role);
CREATE INDEX alert_peer_ip ON alert_peer (ip);

CREATE TABLE alert_technique (
    alert     INTEGER NOT NULL REFERENCES alert (number) ON DELETE CASCADE,
    place     INTEGER NOT NULL,
    technique TEXT NOT NULL,
    PRIMARY KEY (alert, place)
) WITHOUT ROWID;
CREATE INDEX alert_technique_technique ON alert_technique (technique);

CREATE TABLE alert_entry (
    alert INTEGER NOT NULL REFERENCES alert (number) ON DELETE CASCADE,
    place INTEGER NOT NULL,
    entry INTEGER NOT NULL,
    PRIMARY KEY (alert, place)
) WITHOUT ROWID;
CREATE INDEX alert_entry_entry ON alert_entry (entry);

CREATE TABLE alert_frame (
    alert INTEGER NOT NULL REFERENCES alert (number) ON DELETE CASCADE,
    place INTEGER NOT NULL,
    file  INTEGER NOT NULL,
    frame INTEGER NOT NULL,
    PRIMARY KEY (alert, place)
) WITHOUT ROWID;

CREATE TABLE violation (
    alert        INTEGER NOT NULL REFERENCES alert (number) ON DELETE CASCADE,
    number       INTEGER NOT NULL,         -- from 1
    first_seen   INTEGER NOT NULL,
    last_seen    INTEGER NOT NULL,
    count        INTEGER NOT NULL,
    file         INTEGER NOT NULL,
    frame        INTEGER NOT NULL,
    function     TEXT NOT NULL,
    object       TEXT NOT NULL,
    value        TEXT NOT NULL,
    outcome      TEXT CHECK (outcome IN ('pending', 'ok', 'rejected', 'unanswered')),
    outcome_code INTEGER,
    outcome_name TEXT,
    detail       TEXT NOT NULL,
    PRIMARY KEY (alert, number)
) WITHOUT ROWID;

-- How often each alert key was opened. Stays when its alerts are gone.
CREATE TABLE opening (
    key   TEXT PRIMARY KEY,
    count INTEGER NOT NULL
) WITHOUT ROWID;

-- Timeline.
CREATE TABLE event (
    number      INTEGER PRIMARY KEY,
    time        INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    source      INTEGER,
    destination INTEGER,
    protocol    TEXT,
    text        TEXT NOT NULL,
    file        INTEGER NOT NULL,
    frame       INTEGER NOT NULL,
    alert       INTEGER
);
CREATE INDEX event_time ON event (time);
CREATE INDEX event_source ON event (source, time) WHERE source IS NOT NULL;
CREATE INDEX event_destination ON event (destination, time) WHERE destination IS NOT NULL;
CREATE INDEX event_alert ON event (alert) WHERE alert IS NOT NULL;

-- What people ask for. Anybody appends; the holder of the engine applies.
CREATE TABLE command (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    wall_time    INTEGER NOT NULL,
    who          TEXT NOT NULL,
    why          TEXT NOT NULL,
    alert        TEXT,                     -- alert.id
    action       TEXT NOT NULL,
    status       TEXT,                     -- action 'status'
    text         TEXT,                     -- action 'comment'
    device       INTEGER,                  -- action 'baseline-reset'; NULL: all
    state        TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'applied', 'refused')),
    error        TEXT,                     -- why it was refused
    wall_applied INTEGER,
    run          INTEGER,                  -- the run within which it was applied
    position     INTEGER                   -- and after which packet of it
);
CREATE INDEX command_pending ON command (id) WHERE state = 'pending';
CREATE INDEX command_run ON command (run) WHERE run IS NOT NULL;

-- The key of action 'baseline-allow'.
CREATE TABLE command_entry (
    command       INTEGER PRIMARY KEY REFERENCES command (id) ON DELETE CASCADE,
    kind          TEXT NOT NULL,
    client        INTEGER,
    server        INTEGER,
    protocol      TEXT NOT NULL,
    port          INTEGER,
    function      INTEGER,
    subfunction   INTEGER,
    space         TEXT NOT NULL,
    number        INTEGER,
    start_address INTEGER,
    end_address   INTEGER,
    text          TEXT
);

-- What people did to an alert.
CREATE TABLE alert_history (
    id        INTEGER PRIMARY KEY,
    alert     INTEGER NOT NULL REFERENCES alert (number) ON DELETE CASCADE,
    wall_time INTEGER NOT NULL,            -- when it was asked for
    who       TEXT NOT NULL,
    action    TEXT NOT NULL,
    why       TEXT NOT NULL,
    detail    TEXT NOT NULL,               -- the new status, the comment
    command   INTEGER NOT NULL UNIQUE REFERENCES command (id)
);
CREATE INDEX alert_history_alert ON alert_history (alert);

-- Small state: last_alert, last_event, last_device, last_entry, learning, and where known now, learning_until.
CREATE TABLE state (
    key   TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE counter (
    id    TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;

-- Networks in which an OT protocol was confirmed.
CREATE TABLE ot_subnet (
    place   INTEGER PRIMARY KEY,
    address TEXT NOT NULL,
    prefix  INTEGER NOT NULL
);
