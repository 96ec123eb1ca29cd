/**
 * Milliseconds as a clock shows them, and how long it goes on showing them.
 *
 * @module
 */

const SECOND_MS = 1_000;
const TENTH_MS = 100;

/**
 * Time left. Part of a second counts as a whole one, so that `0:00` means that
 * nothing is left at all; so does part of a tenth, where tenths are shown.
 *
 * @param {number} ms
 * @param {number} [tenthsBelowMs]
 */
export function timeLeft(ms, tenthsBelowMs = 10_000) {
  if (ms > 0 && ms < tenthsBelowMs) return (Math.ceil(ms / TENTH_MS) / 10).toFixed(1);
  return digits(Math.ceil(Math.max(0, ms) / SECOND_MS));
}

/**
 * How much less must be left for other digits; Infinity where nothing is left.
 *
 * @param {number} ms
 * @param {number} [tenthsBelowMs]
 */
export function timeLeftChangesIn(ms, tenthsBelowMs = 10_000) {
  if (ms <= 0) return Infinity;
  const unit = ms < tenthsBelowMs ? TENTH_MS : SECOND_MS;
  const digitChangesIn = ms - (Math.ceil(ms / unit) - 1) * unit;
  const tenthsBeginIn = ms < tenthsBelowMs ? Infinity : ms - tenthsBelowMs;
  return Math.min(digitChangesIn, tenthsBeginIn);
}

/**
 * Time that has passed: only whole seconds have.
 *
 * @param {number} ms
 */
export function timePassed(ms) {
  return digits(Math.floor(Math.max(0, ms) / SECOND_MS));
}

/**
 * How much more must have passed for other digits.
 *
 * @param {number} ms
 */
export function timePassedChangesIn(ms) {
  return SECOND_MS - (ms % SECOND_MS);
}

/** @param {number} seconds */
function digits(seconds) {
  const two = (/** @type {number} */ value) => String(value).padStart(2, '0');
  const [minutes, hours] = [Math.floor(seconds / 60), Math.floor(seconds / 3600)];
  const rest = two(seconds % 60);
  return hours ? `${hours}:${two(minutes % 60)}:${rest}` : `${minutes}:${rest}`;
}
