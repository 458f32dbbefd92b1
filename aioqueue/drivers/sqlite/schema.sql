-- The tables, version 1. Run once, in one transaction, on an empty file.
-- Times are seconds: leases (lease_until, holder.until) on the machine's monotonic clock, all others since 1970.

CREATE TABLE message (
    seq INTEGER PRIMARY KEY,         -- the order of publishing; may be used again, so (seq, token) is the fence
    id TEXT NOT NULL,
    turn INTEGER NOT NULL,
    queue TEXT NOT NULL,
    priority INTEGER NOT NULL,
    state INTEGER NOT NULL,          -- 0 ready, 1 scheduled, 2 held
    due REAL,                        -- while scheduled
    token INTEGER,                   -- while held: the claim it is held under
    lease_until REAL,
    worker TEXT,
    deliveries INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,
    published REAL NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (id, turn)
);
CREATE INDEX message_ready ON message (queue, priority DESC, seq) WHERE state = 0;
CREATE INDEX message_scheduled ON message (due) WHERE state = 1;
CREATE INDEX message_held ON message (lease_until) WHERE state = 2;

CREATE TABLE dead (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT,
    task TEXT,
    queue TEXT NOT NULL,
    reason TEXT NOT NULL,
    died REAL NOT NULL,
    forget REAL NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX dead_forget ON dead (forget);

-- The columns beside `data` are what is compared and searched; the whole record is in `data`.
-- Only indexes that cost the ordinary job nothing, but for record_forget: an index on the state would cost a tenth.
CREATE TABLE record (
    id TEXT NOT NULL PRIMARY KEY,
    turn INTEGER NOT NULL,
    phase INTEGER NOT NULL,
    delivery INTEGER NOT NULL,
    state INTEGER NOT NULL,          -- see store.CODES; 10 and above are final
    task TEXT NOT NULL,
    queue TEXT NOT NULL,
    parent TEXT,
    forget REAL,
    data BLOB NOT NULL
);
CREATE INDEX record_forget ON record (forget) WHERE forget IS NOT NULL;
CREATE INDEX record_failed ON record (id) WHERE state = 11;
CREATE INDEX record_parent ON record (parent, id) WHERE parent IS NOT NULL;

CREATE TABLE label (
    key TEXT NOT NULL,
    value NOT NULL,                  -- of any type, and compared as such
    id TEXT NOT NULL,
    PRIMARY KEY (key, value, id)
) WITHOUT ROWID;
CREATE INDEX label_id ON label (id);

CREATE TABLE fact (
    key TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL,
    until REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE holder (
    key TEXT NOT NULL,
    holder TEXT NOT NULL,
    until REAL NOT NULL,
    PRIMARY KEY (key, holder)
) WITHOUT ROWID;

CREATE TABLE meta (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
