//! Oracle, generators, harness.
