//! Laju's consumer: folds activation events into per-region figures, and answers questions about
//! them. Arrows point one way: api → query → projection → domain → `laju_schemas`; ingest →
//! domain and projection; seed → query and projection.

/// One allocator for Rust and for the C libraries: what a client's thread has allocated a folding one
/// frees, record by record, and a store of millions of small things is to be let go of again. The C
/// library's own costs a sixth of a replay more.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

pub mod api;
pub mod backup;
mod bystanders;
pub mod cli;
pub mod demo;
pub mod domain;
pub mod export;
mod files;
pub mod ingest;
pub mod node;
pub mod projection;
pub mod query;
pub mod replay;
pub mod seed;
