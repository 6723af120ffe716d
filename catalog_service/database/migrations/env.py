"""Run by Alembic: migrates over the connection that `catalog_service.database.migrate` gives."""

from alembic import context

from catalog_service.database.schema import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
