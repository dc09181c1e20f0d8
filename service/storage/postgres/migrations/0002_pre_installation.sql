-- `id` names the installation that a database belongs to. `complete` is true once all of its databases exist.
-- An emptied database is then not mistaken for a new one.
ALTER TABLE install ADD COLUMN id uuid, ADD COLUMN complete boolean NOT NULL DEFAULT false;
