//! How a test says what it needs, so that it is counted when it cannot run.
