-- Which installation a database is of, and whether all databases of it were made: an emptied one is then not taken for a new one.
ALTER TABLE install ADD COLUMN id uuid, ADD COLUMN complete boolean NOT NULL DEFAULT false;
