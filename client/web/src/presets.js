/**
 * What most people want a clock for, ready to be made or changed by hand.
 *
 * @module
 */

/** @import { Form } from './setup.js' */

/**
 * @typedef {object} Preset
 * @property {string} id
 * @property {string} name
 * @property {string} face what its clock shows at first
 * @property {string} about
 * @property {Form} form
 */

/** @type {Form} */
const PLAIN = {
  title: '',
  mode: 'per_participant',
  control: '5',
  cycle: '',
  total: '',
  most: '',
  action: 'notify',
  warnings: '',
  count: 2,
  names: '',
  turn: 'pass',
};

/** @type {readonly Preset[]} */
export const PRESETS = [
  {
    id: 'blitz',
    name: 'Blitz',
    face: '3:00',
    about: '3 minutes, 2 seconds a move',
    form: { ...PLAIN, control: '3+2', names: 'White\nBlack', warnings: '20s' },
  },
  {
    id: 'delay',
    name: 'US delay',
    face: '25:00',
    about: '25 minutes, 5 seconds before they run',
    form: { ...PLAIN, control: '25 d5', names: 'White\nBlack', warnings: '1m' },
  },
  {
    id: 'byoyomi',
    name: 'Byo-yomi',
    face: '10:00',
    about: '10 minutes, then 5 periods of 30 seconds',
    form: { ...PLAIN, control: '10+5x30s', names: 'Black\nWhite' },
  },
  {
    id: 'debate',
    name: 'Debate',
    face: '4:00',
    about: 'Two speakers, 4 minutes each',
    form: { ...PLAIN, control: '4', names: 'For\nAgainst', warnings: '1m, 15s' },
  },
  {
    id: 'quiz',
    name: 'Quiz',
    face: '0:30',
    about: '30 seconds for each answer, one after another',
    form: {
      ...PLAIN,
      mode: 'per_cycle',
      cycle: '30s',
      action: 'skip_cycle',
      warnings: '10s',
      count: 4,
    },
  },
  {
    id: 'exam',
    name: 'Exam',
    face: '1:30:00',
    about: 'One clock for a whole room',
    form: { ...PLAIN, mode: 'global', total: '90', warnings: '15m, 5m', count: 1, names: 'Room' },
  },
  {
    id: 'auction',
    name: 'Auction',
    face: '0:20',
    about: 'Every bid gives 20 seconds more',
    form: {
      ...PLAIN,
      mode: 'global',
      total: '60',
      cycle: '20s',
      action: 'end_session',
      warnings: '5s',
      count: 4,
      turn: 'take',
    },
  },
  {
    id: 'team',
    name: 'Teams',
    face: '15:00',
    about: 'Two teams, a clock for each',
    form: {
      ...PLAIN,
      mode: 'per_group',
      control: '15',
      warnings: '1m',
      count: 4,
      names: 'Red: Ada\nBlue: Ben\nRed: Cleo\nBlue: Dan',
    },
  },
  {
    id: 'stopwatch',
    name: 'Stopwatch',
    face: '0:00',
    about: 'Counts up until you stop it',
    form: { ...PLAIN, mode: 'count_up', action: 'end_session', count: 1, names: 'Stopwatch' },
  },
  {
    id: 'own',
    name: 'Your own',
    face: '–:––',
    about: 'By hand, from the details below',
    form: PLAIN,
  },
];
