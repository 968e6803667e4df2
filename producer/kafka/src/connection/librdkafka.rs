//! A hole in librdkafka that is closed when the programs are linked.
//!
//! Behind a batch whose checksum is wrong, librdkafka (2.0 to 2.15 at least: `FIXME` in
//! `rd_kafka_msgset_reader_v2`) reads on some bytes before the end of the batch, and takes what it
//! finds there for the next one. The length it finds may be negative; a slice of that length fails
//! an assertion, which ends the program, where the answer "there are not so many bytes" is what its
//! caller handles. So lengths that no buffer has are answered here, and all others by librdkafka.
//!
//! The linker's `--wrap` (see `build.rs`) does it, on Linux; elsewhere librdkafka stays as it is.

use std::ffi::{c_int, c_void};

unsafe extern "C" {
    /// librdkafka's own, under the name that the linker gives it.
    fn __real_rd_slice_narrow_copy_relative(
        from: *const c_void,
        to: *mut c_void,
        size: usize,
    ) -> c_int;
}

/// What librdkafka calls in place of its own: 1 if `to` was made, 0 if there are not so many bytes.
#[unsafe(no_mangle)]
extern "C" fn __wrap_rd_slice_narrow_copy_relative(
    from: *const c_void,
    to: *mut c_void,
    size: usize,
) -> c_int {
    if isize::try_from(size).is_err() {
        return 0;
    }
    // SAFETY: librdkafka's own arguments, handed on as they came.
    unsafe { __real_rd_slice_narrow_copy_relative(from, to, size) }
}
