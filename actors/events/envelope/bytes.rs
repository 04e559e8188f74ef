//! Eight bytes looked at together.

/// One in each of eight bytes.
pub(super) const EACH: u64 = u64::from_le_bytes([1; 8]);

/// Sets the highest bit of the first of eight bytes that is this one, and of none if none is; of those behind the first
/// others may be set too.
pub(super) fn marks(eight: u64, byte: u8) -> u64 {
    let zeros = eight ^ (EACH * u64::from(byte));
    zeros.wrapping_sub(EACH) & !zeros & (EACH << 7)
}
