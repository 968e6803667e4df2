//! Ingest, domain, projection, query, api.
