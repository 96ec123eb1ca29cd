/**
 * Presets of the form for common uses.
 *
 * @module
 */

/** @import { Form } from './create-request.js' */

/**
 * @typedef {object} Preset
 * @property {string} id
 * @property {string} name
 * @property {string} time what its clocks show at first
 * @property {string} description
 * @property {Form} form
 */

/** @type {Form} */
const DEFAULTS = {
  title: '',
  mode: 'per_participant',
  control: '5',
  cycle: '',
  total: '',
  max: '',
  action: 'notify',
  warnings: '',
  count: 2,
  names: '',
  turn: 'give',
  extend: '',
  use: '',
  starts: '',
  ends: '',
};

/** Who is active at the start can't bid until another has: so it is none of the bidders. */
const HOUSE_AND_BIDDERS = 'The house\nAda\nBen\nCleo';

/** @type {readonly Preset[]} */
export const PRESETS = [
  {
    id: 'blitz',
    name: 'Blitz',
    time: '3:00',
    description: '3 minutes, 2 seconds per move',
    form: { ...DEFAULTS, control: '3+2', names: 'White\nBlack', warnings: '20s' },
  },
  {
    id: 'classical',
    name: 'Classical 40/90',
    time: '1:30:00',
    description: '40 moves in 90 minutes, then 30 minutes, 30 seconds per move',
    form: {
      ...DEFAULTS,
      control: '40/90+30:30+30',
      action: 'end_session',
      names: 'White\nBlack',
      warnings: '5m, 1m',
    },
  },
  {
    id: 'delay',
    name: 'US delay',
    time: '25:00',
    description: '25 minutes, 5 seconds delay per move',
    form: { ...DEFAULTS, control: '25 d5', names: 'White\nBlack', warnings: '1m' },
  },
  {
    id: 'byoyomi',
    name: 'Byo-yomi',
    time: '10:00',
    description: '10 minutes, then 5 periods of 30 seconds',
    form: { ...DEFAULTS, control: '10+5x30s', names: 'Black\nWhite' },
  },
  {
    id: 'debate',
    name: 'Debate',
    time: '4:00',
    description: 'Two speakers, 4 minutes each',
    form: { ...DEFAULTS, control: '4', names: 'For\nAgainst', warnings: '1m, 15s' },
  },
  {
    id: 'quiz',
    name: 'Quiz',
    time: '0:30',
    description: '30 seconds per answer, in turn',
    form: {
      ...DEFAULTS,
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
    time: '1:30:00',
    description: 'One clock for the whole room',
    form: {
      ...DEFAULTS,
      mode: 'global',
      total: '90',
      warnings: '15m, 5m',
      count: 1,
      names: 'Room',
    },
  },
  {
    id: 'extra-time',
    name: 'Exam with extra time',
    time: '1:30:00',
    description: 'One clock each; some have more time',
    form: {
      ...DEFAULTS,
      mode: 'simultaneous',
      use: 'exam',
      total: '90',
      warnings: '15m, 5m',
      count: 1,
      names: 'Ada\nBen; +25 %\nCleo; 1.5',
    },
  },
  {
    id: 'race',
    name: 'Race',
    time: '0:00',
    description: 'One start, one tap for each finisher',
    form: {
      ...DEFAULTS,
      mode: 'simultaneous',
      use: 'race',
      count: 8,
    },
  },
  {
    id: 'auction',
    name: 'Auction',
    time: '0:20',
    description: '20 seconds after each bid',
    form: {
      ...DEFAULTS,
      mode: 'global',
      total: '60',
      cycle: '20s',
      action: 'end_session',
      warnings: '5s',
      names: HOUSE_AND_BIDDERS,
      turn: 'take',
    },
  },
  {
    id: 'silent-auction',
    name: 'Silent auction',
    time: '1:00:00',
    description: 'One hour; each bid leaves at least 2 minutes',
    form: {
      ...DEFAULTS,
      mode: 'global',
      total: '60',
      extend: '2m',
      warnings: '10m, 1m',
      names: HOUSE_AND_BIDDERS,
      turn: 'take',
    },
  },
  {
    id: 'team',
    name: 'Teams',
    time: '15:00',
    description: 'Two teams, one clock each',
    form: {
      ...DEFAULTS,
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
    time: '0:00',
    description: 'Counts up until you stop it',
    form: { ...DEFAULTS, mode: 'count_up', action: 'end_session', count: 1, names: 'Stopwatch' },
  },
  {
    id: 'custom',
    name: 'Custom',
    time: '–:––',
    description: 'Your own settings',
    form: DEFAULTS,
  },
];
