/**
 * Formats milliseconds as clocks show them, and says how long the text stays the same.
 *
 * @module
 */

const SECOND_MS = 1_000;
const TENTH_MS = 100;

/**
 * Remaining time, rounded up to a second or a tenth: `0:00` means that none is left.
 *
 * @param {number} ms
 * @param {number} [tenthsBelowMs]
 */
export function formatRemaining(ms, tenthsBelowMs = 10_000) {
  if (ms > 0 && ms < tenthsBelowMs) return (Math.ceil(ms / TENTH_MS) / 10).toFixed(1);
  return digits(Math.ceil(Math.max(0, ms) / SECOND_MS));
}

/**
 * After how much less time the text changes; Infinity if no time is left.
 *
 * @param {number} ms
 * @param {number} [tenthsBelowMs]
 */
export function remainingChangesInMs(ms, tenthsBelowMs = 10_000) {
  if (ms <= 0) return Infinity;
  const unitMs = ms < tenthsBelowMs ? TENTH_MS : SECOND_MS;
  const digitChangesInMs = ms - (Math.ceil(ms / unitMs) - 1) * unitMs;
  const tenthsStartInMs = ms < tenthsBelowMs ? Infinity : ms - tenthsBelowMs;
  return Math.min(digitChangesInMs, tenthsStartInMs);
}

/**
 * Elapsed time, rounded down to a second.
 *
 * @param {number} ms
 */
export function formatElapsed(ms) {
  return digits(Math.floor(Math.max(0, ms) / SECOND_MS));
}

/**
 * After how much more time the text changes.
 *
 * @param {number} ms
 */
export function elapsedChangesInMs(ms) {
  return SECOND_MS - (ms % SECOND_MS);
}

/** @param {number} seconds */
function digits(seconds) {
  const twoDigits = (/** @type {number} */ value) => String(value).padStart(2, '0');
  const [minutes, hours] = [Math.floor(seconds / 60), Math.floor(seconds / 3600)];
  const rest = twoDigits(seconds % 60);
  return hours ? `${hours}:${twoDigits(minutes % 60)}:${rest}` : `${minutes}:${rest}`;
}
