"""No table can be forgotten: each is under row security, or here with the reason why tenants have no part in it."""

import psycopg

OWNERS_ONLY = {
    "schema_migrations": "which migrations were applied: no tenant's data",
    "partition_owners": "which process has which partition: no tenant's data",
    "record_marks": "places of records that ended a process: no tenant's data",
    "skipped_records": "places of records that an operator passed over: no tenant's data",
    "erased_jobs": "tombstones are the sweep's; scribe_is_erased() answers for one job",
}
SAYING = (
    " is read by tenants and not under row security: its migration must call SELECT scribe_secure('TABLE', 'SELECT')"
    " for a table with a column tenant, or scribe_secure('TABLE', 'SELECT', 'PARENT', 'KEY') for rows that hang on"
    " another table's by a column of the same name; name the rights that a tenant's request needs, '' for none."
    " See 0007_row_security.sql. A table without tenants' data goes into OWNERS_ONLY."
)
_TABLES = """
SELECT relname, relrowsecurity AND EXISTS (
    SELECT FROM pg_policy WHERE polrelid = c.oid AND polroles = ARRAY['scribe_tenant'::regrole::oid]) AS secured,
    has_any_column_privilege('scribe_tenant', c.oid, 'SELECT, INSERT, UPDATE')
        OR has_table_privilege('scribe_tenant', c.oid, 'DELETE, TRUNCATE') AS open
FROM pg_class c WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND relnamespace = 'public'::regnamespace"""


def test_every_table_is_under_row_security(database: str) -> None:
    with psycopg.connect(database) as connection:
        tables = {name: (secured, opened) for name, secured, opened in connection.execute(_TABLES)}
    for name, (secured, opened) in tables.items():
        if name in OWNERS_ONLY:
            assert not opened, f"{name} is the owner's only, but scribe_tenant has rights on it"
        else:
            assert secured, name + SAYING
    assert set(OWNERS_ONLY) <= set(tables)


def test_no_function_lends_the_owners_rights_without_a_fixed_search_path(database: str) -> None:
    """Else a table of the same name in a schema of the caller's would be read in its place."""
    query = (
        "SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace"
        " AND NOT COALESCE(array_to_string(proconfig, ' ') ~ 'search_path=', false)"
    )
    with psycopg.connect(database) as connection:
        assert connection.execute(query).fetchall() == []


def test_no_column_hides_the_argument_of_a_function(database: str) -> None:
    """In a function in SQL a bare name is the column's when there is one, also one that a later migration adds."""
    query = (
        "SELECT p.proname || '.' || a.attname FROM pg_proc p JOIN pg_class c ON strpos(p.prosrc, c.relname) > 0"
        " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = ANY(p.proargnames)"
        " WHERE p.prolang = (SELECT oid FROM pg_language WHERE lanname = 'sql') AND c.relkind = 'r'"
        " AND c.relnamespace = 'public'::regnamespace AND p.pronamespace = 'public'::regnamespace"
        " AND strpos(p.prosrc, p.proname || '.' || a.attname) = 0"
    )
    with psycopg.connect(database) as connection:
        assert connection.execute(query).fetchall() == []
