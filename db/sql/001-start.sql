-- SPDX-License-Identifier: Apache-2.0
-- The first schema. Never edit a numbered file: a change is a new one.
-- Times are Unix microseconds. Enumerations are those of db/db-types.h and volume/.

CREATE TABLE project (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;

CREATE TABLE scan (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  path TEXT NOT NULL,
  sha256 TEXT NOT NULL CHECK (length (sha256) = 64),
  truth_path TEXT,
  volume_index INTEGER NOT NULL DEFAULT 0 CHECK (volume_index >= 0),
  validation INTEGER NOT NULL DEFAULT 0 CHECK (validation IN (0, 1)),
  complete INTEGER NOT NULL DEFAULT 0 CHECK (complete IN (0, 1)),
  size_i INTEGER NOT NULL CHECK (size_i > 0),
  size_j INTEGER NOT NULL CHECK (size_j > 0),
  size_k INTEGER NOT NULL CHECK (size_k > 0),
  orientation TEXT NOT NULL,
  affine BLOB NOT NULL,                 -- 16 doubles, row major, ijk to RAS mm
  head INTEGER REFERENCES edit (id),    -- where the labels stand; NULL is the empty start
  first INTEGER REFERENCES edit (id),   -- what redo does at the empty start
  n_edits INTEGER NOT NULL DEFAULT 0,
  rank INTEGER NOT NULL DEFAULT 0,
  score REAL NOT NULL DEFAULT 0,
  reason TEXT,
  opened_at INTEGER NOT NULL DEFAULT 0,
  view TEXT
) STRICT;

CREATE TABLE label (
  id INTEGER PRIMARY KEY CHECK (id BETWEEN 1 AND 65535),
  name TEXT NOT NULL,
  colour TEXT NOT NULL,
  visible INTEGER NOT NULL DEFAULT 1 CHECK (visible IN (0, 1)),
  locked INTEGER NOT NULL DEFAULT 0 CHECK (locked IN (0, 1))
) STRICT;

CREATE TABLE slice_task (
  id INTEGER PRIMARY KEY,
  scan INTEGER NOT NULL REFERENCES scan (id),
  plane INTEGER NOT NULL CHECK (plane BETWEEN 0 AND 2),
  idx INTEGER NOT NULL CHECK (idx >= 0),
  state INTEGER NOT NULL DEFAULT 0 CHECK (state IN (0, 1)),
  origin TEXT NOT NULL,
  signed_by TEXT,
  signed_at INTEGER,
  seconds REAL NOT NULL DEFAULT 0,
  UNIQUE (scan, plane, idx),
  CHECK ((state = 1) = (signed_at IS NOT NULL))
) STRICT;

-- The journal's content: what each edit did. Histories are trees of edits.
CREATE TABLE edit (
  id INTEGER PRIMARY KEY,
  scan INTEGER NOT NULL REFERENCES scan (id),
  parent INTEGER REFERENCES edit (id),
  next INTEGER REFERENCES edit (id),    -- the child that redo goes to
  depth INTEGER NOT NULL,
  provenance INTEGER NOT NULL,
  tool TEXT NOT NULL,
  label INTEGER NOT NULL,               -- the label it left, -1 for several
  n_voxels INTEGER NOT NULL,
  at INTEGER NOT NULL,
  round INTEGER NOT NULL DEFAULT 0,
  lo_i INTEGER NOT NULL, lo_j INTEGER NOT NULL, lo_k INTEGER NOT NULL,
  hi_i INTEGER NOT NULL, hi_j INTEGER NOT NULL, hi_k INTEGER NOT NULL,
  runs BLOB NOT NULL                    -- volume_edit_serialize
) STRICT;
CREATE INDEX edit_of_scan ON edit (scan, id, provenance);
CREATE INDEX edit_of_parent ON edit (parent);

-- What a person gave with an edit: the prompt, the tool's settings.
CREATE TABLE prompt (
  edit INTEGER PRIMARY KEY REFERENCES edit (id),
  detail TEXT NOT NULL
) STRICT;

-- The journal's order: every new edit, step through the history, and sign-off. The state of labels
-- and labelled domain at any seq follows from it (I7, I9).
CREATE TABLE journal (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  scan INTEGER NOT NULL REFERENCES scan (id),
  kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 7),
  head INTEGER REFERENCES edit (id),    -- after it
  plane INTEGER,
  idx INTEGER,
  at INTEGER NOT NULL
) STRICT;
CREATE INDEX journal_of_scan ON journal (scan, seq);

-- The labels after an edit, so that opening is fast. The journal alone gives the same.
CREATE TABLE snapshot (
  edit INTEGER PRIMARY KEY REFERENCES edit (id),
  scan INTEGER NOT NULL REFERENCES scan (id),
  map BLOB NOT NULL
) STRICT;
CREATE INDEX snapshot_of_scan ON snapshot (scan, edit);

CREATE TABLE model (
  id INTEGER PRIMARY KEY,
  round INTEGER NOT NULL DEFAULT 0,
  name TEXT NOT NULL,
  path TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  description TEXT,
  dice REAL,
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE round (
  id INTEGER PRIMARY KEY,
  method TEXT NOT NULL,
  params TEXT,
  profile TEXT,
  supervision TEXT NOT NULL CHECK (supervision IN ('cross', 'dense')),
  seed INTEGER NOT NULL,
  state INTEGER NOT NULL DEFAULT 0,
  journal_seq INTEGER NOT NULL,
  step INTEGER NOT NULL DEFAULT 0,
  n_steps INTEGER NOT NULL DEFAULT 0,
  loss REAL,
  dice REAL,
  seconds REAL NOT NULL DEFAULT 0,
  expert_seconds REAL NOT NULL DEFAULT 0,
  model INTEGER REFERENCES model (id),
  message TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE round_scan (
  round INTEGER NOT NULL REFERENCES round (id),
  scan INTEGER NOT NULL REFERENCES scan (id),
  role TEXT NOT NULL CHECK (role IN ('labelled', 'unlabelled', 'validation')),
  PRIMARY KEY (round, scan)
) STRICT;

CREATE TABLE metric (
  id INTEGER PRIMARY KEY,
  round INTEGER NOT NULL REFERENCES round (id),
  step INTEGER NOT NULL,
  name TEXT NOT NULL,
  value REAL
) STRICT;
CREATE INDEX metric_of_round ON metric (round, name, step);

CREATE TABLE job (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  title TEXT NOT NULL,
  params TEXT,
  round INTEGER NOT NULL DEFAULT 0,
  state INTEGER NOT NULL DEFAULT 0,
  fraction REAL NOT NULL DEFAULT 0,
  step INTEGER NOT NULL DEFAULT 0,
  n_steps INTEGER NOT NULL DEFAULT 0,
  message TEXT,
  checkpoint TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE prediction (
  id INTEGER PRIMARY KEY,
  scan INTEGER NOT NULL REFERENCES scan (id),
  model INTEGER NOT NULL REFERENCES model (id),
  round INTEGER NOT NULL DEFAULT 0,
  path TEXT NOT NULL,
  confidence REAL,
  accepted_edit INTEGER REFERENCES edit (id),
  created_at INTEGER NOT NULL,
  UNIQUE (scan, model)
) STRICT;

CREATE TABLE selection (
  id INTEGER PRIMARY KEY,
  batch INTEGER NOT NULL,
  round INTEGER NOT NULL DEFAULT 0,
  scan INTEGER NOT NULL REFERENCES scan (id),
  rank INTEGER NOT NULL CHECK (rank >= 1),
  score REAL NOT NULL,
  strategy TEXT NOT NULL,
  scores TEXT,
  reason TEXT,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX selection_of_batch ON selection (batch, rank);

CREATE TABLE event (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  scan INTEGER NOT NULL DEFAULT 0,
  detail TEXT
) STRICT;

CREATE TABLE setting (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;

-- Append-only means append-only.
CREATE TRIGGER event_kept BEFORE DELETE ON event BEGIN SELECT RAISE (ABORT, 'events are kept'); END;
CREATE TRIGGER event_fixed BEFORE UPDATE ON event BEGIN SELECT RAISE (ABORT, 'events are kept'); END;
CREATE TRIGGER journal_kept BEFORE DELETE ON journal BEGIN SELECT RAISE (ABORT, 'the journal is kept'); END;
CREATE TRIGGER journal_fixed BEFORE UPDATE ON journal BEGIN SELECT RAISE (ABORT, 'the journal is kept'); END;
CREATE TRIGGER edit_kept BEFORE DELETE ON edit BEGIN SELECT RAISE (ABORT, 'edits are kept'); END;
CREATE TRIGGER edit_fixed BEFORE UPDATE OF id, scan, parent, depth, provenance, runs ON edit
BEGIN SELECT RAISE (ABORT, 'edits are kept'); END;
-- I6: a validation scan is chosen when the project is made, and stays one.
CREATE TRIGGER validation_fixed BEFORE UPDATE OF validation ON scan
BEGIN SELECT RAISE (ABORT, 'validation scans are fixed'); END;
