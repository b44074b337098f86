//! The store and its writer on disks that fail: power cuts, I/O errors, full disks, slow ones. Every random run comes from one
//! seed, which a failure prints; `WEIR_FAULTS_SEED=N` runs that seed alone and `WEIR_FAULTS_SEEDS=N` that many of them.

mod bounds;
mod columns;
mod disk;
mod errors;
mod life;
mod oracle;
mod power_cuts;
pub mod random;
mod sample;
mod sequences;
mod threads;
