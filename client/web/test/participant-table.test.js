import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TableError, parseTable } from '../src/participant-table.js';

/** @param {string} text */
const rows = (text) => parseTable(text).map(({ name, factor }) => [name, factor]);

/** @param {string} text */
const problem = (text) => {
  try {
    parseTable(text);
  } catch (error) {
    assert.ok(error instanceof TableError);
    return error.message;
  }
  return 'none';
};

test('columns are separated by tabs, semicolons or commas', () => {
  assert.deepEqual(rows('Ada\t1.25\nBen;1.25\nCleo,1.25\nDan\n'), [
    ['Ada', 1.25],
    ['Ben', 1.25],
    ['Cleo', 1.25],
    ['Dan', 1],
  ]);
  // Several columns before the factor are the name's; an empty last one is no factor.
  assert.deepEqual(rows('12\tAda\tLovelace\t1.5\r\nBen;\rCleo\t\n Dan,,\nE\tF\t'), [
    ['12 Ada Lovelace', 1.5],
    ['Ben', 1],
    ['Cleo', 1],
    ['Dan', 1],
    ['E F', 1],
  ]);
});

test('factors are numbers or percentages, with a decimal point or comma, in any script', () => {
  for (const [text, factor] of /** @type {[string, number][]} */ ([
    ['1.25', 1.25],
    ['1,25', 1.25],
    ['125 %', 1.25],
    ['125%', 1.25],
    ['+25 %', 1.25],
    ['+12,5%', 1.125],
    ['x1.5', 1.5],
    ['1.5×', 1.5],
    ['١٫٢٥', 1.25],
    ['+２５％', 1.25],
    ['0.1', 0.1],
    ['10', 10],
    ['1.333', 1.333],
  ])) {
    assert.deepEqual(rows(`Ada\t${text}`), [['Ada', factor]], text);
    assert.deepEqual(rows(`Ada;${text}`), [['Ada', factor]], text);
  }
  assert.deepEqual(rows('Ada, 1,25\nBen, +25 %\nCleo,1.5'), [
    ['Ada', 1.25],
    ['Ben', 1.25],
    ['Cleo', 1.5],
  ]);
});

test('a comma can belong to the name', () => {
  assert.deepEqual(rows('Doe, Jane\nDoe, Jane, 1.25\n"Doe, ""J."" Jane",1.5\n"Doe; Jane"\t+25 %'), [
    ['Doe, Jane', 1],
    ['Doe, Jane', 1.25],
    ['Doe, "J." Jane', 1.5],
    ['Doe; Jane', 1.25],
  ]);
});

test('a factor after a space is one if no name ends like that', () => {
  assert.deepEqual(rows('Ada 1.25\nBen +25 %\nRoom 2\nLouis 14'), [
    ['Ada', 1.25],
    ['Ben', 1.25],
    ['Room 2', 1],
    ['Louis 14', 1],
  ]);
});

test('a header and blank lines are left out', () => {
  for (const header of ['Name', 'Name, Factor', 'Student;Extra time', 'Nom\tFacteur', '"Name"']) {
    assert.deepEqual(rows(`\n${header}\n\t\nAda\t1.5\n`), [['Ada', 1.5]], header);
  }
  // Only the first line can be one, and only before others.
  assert.deepEqual(rows('Name'), [['Name', 1]]);
  assert.deepEqual(rows('Ada\nName'), [
    ['Ada', 1],
    ['Name', 1],
  ]);
});

test('what can’t be understood is named with its line and the bound', () => {
  assert.equal(
    problem('Ada\n\nBen\tlots'),
    'Line 3: “lots” is no time factor; write 1.25, 125 % or +25 %',
  );
  assert.equal(problem('Ada\t11'), 'Line 1: the time factor must be 0.1 to 10, not 11');
  assert.equal(problem('Ada;0,05'), 'Line 1: the time factor must be 0.1 to 10, not 0,05');
  assert.equal(
    problem('Ada\t1.3333'),
    'Line 1: the time factor 1.3333 has more than three decimals',
  );
  assert.equal(
    problem('Ada\t25 %'),
    'Line 1: “25 %” may be meant as +25 %; write 1.25, 125 % or +25 %',
  );
  assert.match(problem('Ada, 1.2.3'), /^Line 1: “1.2.3” is no time factor/);
  assert.match(problem('Ada\t+0.25'), /^Line 1: “\+0.25” is no time factor/);
  assert.match(problem('Ada\t-25 %'), /^Line 1: “-25 %” is no time factor/);
  assert.equal(problem('\t1.25\nAda'), 'Line 1: the name is missing');
  assert.equal(problem(';1.25'), 'Line 1: the name is missing');
  assert.equal(problem('a'.repeat(81)), 'Line 1: a name has at most 80 characters, not 81');
});
