/**
 * Reads a table of participants with time factors, as it is pasted from a spreadsheet. Pure.
 *
 * A line is a name and, if it isn't 1, a factor in the last column: `Ada`, `Ben<Tab>1.25`,
 * `Cleo; 1,25`, `Doe, Jane, 125 %` or `Eve +25 %`. The first line may be a header.
 *
 * @module
 */

import { asciiOf } from './durations.js';

/** @typedef {{name: string, factor: number}} Row */

const MIN_FACTOR = 0.1;
const MAX_FACTOR = 10;
const MAX_NAME_CHARACTERS = 80;
const EXAMPLES = 'write 1.25, 125 % or +25 %';

/** Words that only a header has, in the languages that spreadsheets often have. */
const HEADER =
  /^(full |first |last |family |given )?(names?|surname|forename|students?|candidates?|participants?|nom|prénom|nombre|apellidos?|nome|cognome|naam|vorname|nachname|kandidat|schüler|(time )?factor|facteur|faktor|extra( time)?)$/i;
const NUMBER = String.raw`\d+(?:[.,]\d+)?`;
/** A comma may separate columns, names, or decimals. */
const AFTER_COMMA = new RegExp(String.raw`^(.+?),\s*([+x×]?${NUMBER}\s*[%٪x×]?)$`, 'u');
/** Without a separator, only what no name ends with. */
const AFTER_SPACE = new RegExp(String.raw`^(.+?)\s+(\+?${NUMBER}\s*[%٪]|\d+[.,]\d+)$`, 'u');
const QUOTED = /^"((?:[^"]|"")*)"\s*[\t;,]?\s*(.*)$/;

/** A line of the table can't be understood. */
export class TableError extends Error {}

/**
 * @param {string} text
 * @returns {Row[]} without blank lines
 * @throws {TableError}
 */
export function parseTable(text) {
  const lines = text
    .split(/\r?\n|\r/)
    // Tabs at either end are of empty columns.
    .map((line, index) => ({ line: line.replace(/^ +|[ ,]+$/g, ''), number: index + 1 }))
    .filter(({ line }) => line.trim() !== '');
  if (lines.length > 1 && isHeader(lines[0]?.line ?? '')) lines.shift();
  return lines.map(({ line, number }) => {
    const [name, factor] = splitLine(line);
    return { name: checkName(name, number), factor: factor ? parseFactor(factor, number) : 1 };
  });
}

/** @param {string} line */
function isHeader(line) {
  const cells = line.split(/[\t;,]/).map((cell) => cell.replace(/"/g, '').trim());
  return cells.some((cell) => HEADER.test(cell)) && !cells.some((cell) => /\p{Nd}/u.test(cell));
}

/**
 * @param {string} line
 * @returns {[name: string, factor: string]} the factor is empty if there is none
 */
function splitLine(line) {
  const quoted = QUOTED.exec(line);
  if (quoted) return [`${quoted[1]}`.replaceAll('""', '"'), lastCell(`${quoted[2]}`)];
  const separator = ['\t', ';'].find((one) => line.includes(one));
  if (separator) {
    const cells = line.split(separator).map((cell) => cell.trim());
    return [cells.slice(0, -1).filter(Boolean).join(' '), `${cells.at(-1)}`];
  }
  const [, name, factor] = AFTER_COMMA.exec(line) ?? AFTER_SPACE.exec(line) ?? [];
  if (name && factor) return [name, factor];
  const [, before, last] = /^(.+),([^,]*\p{Nd}[^,]*)$/u.exec(line) ?? [];
  return before && last ? [before, last.trim()] : [line, ''];
}

/** @param {string} cells */
const lastCell = (cells) => (/[\t;]/.test(cells) ? `${cells.split(/[\t;]/).at(-1)}`.trim() : cells);

/**
 * @param {string} name
 * @param {number} line
 */
function checkName(name, line) {
  const trimmed = name.replace(/\p{Cc}+/gu, ' ').trim();
  if (!trimmed) throw new TableError(`Line ${line}: the name is missing`);
  const { length } = [...trimmed];
  if (length > MAX_NAME_CHARACTERS) {
    throw new TableError(
      `Line ${line}: a name has at most ${MAX_NAME_CHARACTERS} characters, not ${length}`,
    );
  }
  return trimmed;
}

/**
 * @param {string} text
 * @param {number} line
 */
function parseFactor(text, line) {
  const compact = asciiOf(text).replace(/\s+/g, '').replace('٪', '%').replace(',', '.');
  const [, plus, digits, percent] = /^(\+)?x?(\d+(?:\.\d+)?)x?(%)?$/.exec(compact) ?? [];
  if (!digits || (plus && !percent)) {
    throw new TableError(`Line ${line}: “${text}” is no time factor; ${EXAMPLES}`);
  }
  const number = Number(digits);
  if (percent && !plus && number < 100) {
    throw new TableError(`Line ${line}: “${text}” may be meant as +${digits} %; ${EXAMPLES}`);
  }
  const factor = percent ? (plus ? 1 : 0) + number / 100 : number;
  if (factor < MIN_FACTOR || factor > MAX_FACTOR) {
    throw new TableError(
      `Line ${line}: the time factor must be ${MIN_FACTOR} to ${MAX_FACTOR}, not ${text}`,
    );
  }
  const thousandths = Math.round(factor * 1_000);
  if (Math.abs(factor * 1_000 - thousandths) > 1e-6) {
    throw new TableError(`Line ${line}: the time factor ${text} has more than three decimals`);
  }
  return thousandths / 1_000;
}
