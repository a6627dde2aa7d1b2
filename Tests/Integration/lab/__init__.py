"""Real servers, real LMDBs and an independent reader of snapshots for the integration tests."""
