/**
 * The viewer's screen as an overlay (`?clean`) for OBS, slides and frames: nothing but digits, on a
 * transparent ground. Pure.
 *
 * @module
 */

/**
 * @typedef {object} Overlay
 * @property {number | null} clock which clock is shown, counted from 1; null for all large ones
 * @property {Record<string, string>} style values of CSS variables, by name
 */

/** Parameters that are colours, and their variables. */
const COLORS = {
  color: '--overlay-color',
  low: '--overlay-low',
  out: '--overlay-out',
  background: '--overlay-background',
};
const SIZE = /^(\d+(?:\.\d+)?)(px|pt|rem|vw|vh|vmin|vmax)?$/;

/**
 * @param {string} search the query of the page's URL
 * @param {(color: string) => boolean} isColor whether CSS has this colour
 * @returns {Overlay | null} null without `clean`; a value that is no colour or size is ignored
 */
export function parseOverlay(search, isColor) {
  const params = new URLSearchParams(search);
  if (!params.has('clean')) return null;
  /** @type {Record<string, string>} */
  const style = {};
  for (const [name, variable] of Object.entries(COLORS)) {
    const text = params.get(name)?.trim() ?? '';
    // In a URL, a # would begin the fragment.
    const color = /^([\da-f]{3,4}|[\da-f]{6}|[\da-f]{8})$/i.test(text) ? `#${text}` : text;
    if (color && isColor(color)) style[variable] = color;
  }
  const [, number, unit = 'px'] = SIZE.exec(params.get('size')?.trim() ?? '') ?? [];
  if (number) style['--overlay-size'] = `${number}${unit}`;
  const clock = Number(params.get('clock'));
  return { clock: Number.isInteger(clock) && clock > 0 ? clock : null, style };
}
