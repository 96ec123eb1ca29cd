/**
 * Parses durations, and formats them in words. Pure.
 *
 * @module
 */

const UNITS_MS = { h: 3_600_000, m: 60_000, s: 1_000 };

/**
 * `5` (minutes), `90s`, `1h30m`, `2:30` or `1:00:00`.
 *
 * @param {string} text
 * @returns {number | null} milliseconds
 */
export function parseDuration(text) {
  const compact = text.trim().toLowerCase().replace(/\s+/g, '');
  if (/^\d+$/.test(compact)) return Number(compact) * UNITS_MS.m;
  if (/^\d+(:\d\d){1,2}$/.test(compact)) {
    return compact.split(':').reduce((sum, part) => sum * 60 + Number(part), 0) * UNITS_MS.s;
  }
  const parts = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(compact);
  if (!parts || !compact) return null;
  const [, h = 0, m = 0, s = 0] = parts;
  return Number(h) * UNITS_MS.h + Number(m) * UNITS_MS.m + Number(s) * UNITS_MS.s;
}

/**
 * In words, as `1 hour 30 minutes`; below ten seconds in tenths, as `2.5 seconds`.
 *
 * @param {number} ms
 */
export function formatDuration(ms) {
  if (ms > 0 && ms < 10_000) {
    return pluralize(Math.max(1, Math.round(ms / 100)) / 10, 'second');
  }
  const seconds = Math.round(ms / 1_000);
  /** @type {[number, string][]} */
  const parts = [
    [Math.floor(seconds / 3_600), 'hour'],
    [Math.floor(seconds / 60) % 60, 'minute'],
    [seconds % 60, 'second'],
  ];
  const words = parts.filter(([count]) => count).map(([count, unit]) => pluralize(count, unit));
  return words.join(' ') || '0 seconds';
}

/**
 * @param {number} count
 * @param {string} unit
 */
export function pluralize(count, unit) {
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}
