-- How sure the model was of a language that it detected: part of every transcript that is read over REST.

ALTER TABLE jobs ADD COLUMN language_probability double precision;
