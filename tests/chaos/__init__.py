"""The whole service broken on purpose while jobs come in, and a judge that holds it to its promises."""
