/**
 * The types that modules share: the JSON of the server, and the client's environment.
 *
 * Types only. Names with underscores are those on the wire; docs/protocol.md of the project
 * describes them.
 *
 * @module
 */

/**
 * @typedef {object} ParticipantState
 * @property {string} participant_id
 * @property {number} participant_index
 * @property {string} [name]
 * @property {boolean} [has_withdrawn] left out for false
 * @property {string | null} [group_id]
 * @property {number} total_time_ms
 * @property {number} time_used_ms
 * @property {number} time_remaining_ms
 * @property {number} overtime_ms
 * @property {number} cycle_count
 * @property {boolean} is_active
 * @property {boolean} is_running
 * @property {boolean} has_expired
 * @property {number} [delay_remaining_ms]
 * @property {number} [main_remaining_ms]
 * @property {number} [period_remaining_ms]
 * @property {number} [periods_left]
 * @property {number} [cycles_left]
 * @property {number} [stage]
 * @property {TimeControl | null} [time_control]
 * @property {ClockState} [clock_state]
 * @property {number} [time_factor]
 * @property {string | null} [started_at]
 * @property {string | null} [finished_at]
 * @property {string | null} [deadline_at]
 */

/** @typedef {'waiting' | 'running' | 'paused' | 'finished' | 'stopped' | 'withdrawn'} ClockState */

/** @typedef {{time_ms: number, cycles?: number, control?: TimeControl}} Stage */

/** @typedef {{type: string, period_ms?: number, periods?: number, stages?: Stage[], [field: string]: unknown}} TimeControl */

/**
 * What a host tells every screen, since `at`.
 *
 * @typedef {{text: string, style: 'normal' | 'alert', at: string}} SessionMessage
 */

/** @typedef {{group_id: string, total_time_ms: number, time_remaining_ms: number, has_expired: boolean}} GroupState */

/** @typedef {'pending' | 'running' | 'paused' | 'expired' | 'completed' | 'cancelled'} Status */

/** @typedef {'per_participant' | 'per_group' | 'per_cycle' | 'global' | 'count_up' | 'simultaneous'} SyncMode */

/**
 * @typedef {object} SessionState
 * @property {string} session_id
 * @property {SyncMode} sync_mode
 * @property {Status} status
 * @property {number} version
 * @property {ParticipantState[]} participants
 * @property {string | null} active_participant_id
 * @property {number} total_time_ms
 * @property {number | null} [time_per_cycle_ms]
 * @property {number | null} [max_time_ms]
 * @property {TimeControl | null} [time_control]
 * @property {{type: string, data?: unknown}} [action_on_timeout]
 * @property {number[] | null} [warn_at_ms]
 * @property {{extend_to_ms: number, max_extension_ms?: number}} [soft_close]
 * @property {'take'} [turn_taking] left out for `give`
 * @property {string[] | null} [participants_may]
 * @property {Record<string, unknown> | null} [metadata]
 * @property {SessionMessage} [message]
 * @property {string | null} [session_started_at]
 * @property {string | null} [starts_at]
 * @property {string | null} [ends_at]
 * @property {string} updated_at
 * @property {string | null} deadline_at
 * @property {GroupState[]} [groups]
 * @property {number} [session_remaining_ms]
 */

/** @typedef {{type: string, at: string, [field: string]: unknown}} SessionEvent */

/**
 * A whole state of a session as of `timestamp`, the server's time.
 *
 * @typedef {object} Snapshot
 * @property {string} epoch
 * @property {number} version
 * @property {number} timestamp
 * @property {SessionState} state
 * @property {ReadonlyMap<string, number>} [participantTimestamps] of participants who were last
 *   sent at an earlier time, by id; their values are as of then
 */

/**
 * Epoch, version, and the `updated_at` of that version; empty for no session.
 *
 * @typedef {{epoch?: string, version?: number, updatedAt?: string}} StateVersion
 */

/**
 * What changed alike for the participants at `positions`: pairs of the first and the last of
 * consecutive ones.
 *
 * @typedef {object} ParticipantChanges
 * @property {[number, number][]} positions
 * @property {Partial<ParticipantState>} set
 * @property {Record<string, number>} add
 */

/**
 * A server message that contains a state.
 *
 * @typedef {Snapshot & {
 *   type: 'STATE_SYNC' | 'STATE_UPDATE',
 *   page?: number, pages?: number,
 *   partial?: boolean, baseVersion?: number, baseUpdatedAt?: string,
 *   participantChanges?: ParticipantChanges[],
 *   events?: SessionEvent[], eventsOmitted?: number,
 * }} StateMessage
 */

/**
 * @typedef {StateMessage
 *   | {type: 'CONNECTED', timestamp: number, heartbeatIntervalMs: number}
 *   | {type: 'SESSION_DELETED', timestamp: number, reason: 'deleted' | 'expired'}
 *   | Pong
 *   | {type: 'CURRENT', timestamp: number} & Required<StateVersion>
 *   | {type: 'ACK', timestamp: number, id: string, version: number}
 *   | {type: 'ERROR', timestamp: number, code: string, message: string, id?: string}
 * } ServerMessage
 */

/** @typedef {{type: 'PONG', timestamp: number, receivedAt: number, clientTime: number} & StateVersion} Pong */

/** @typedef {{type: string, [field: string]: unknown}} ClientMessage */

/**
 * @typedef {'start' | 'switch' | 'pause' | 'resume' | 'complete' | 'cancel' | 'adjust' | 'undo'
 *   | 'finish' | 'set_turn' | 'reopen' | 'reset' | 'update' | 'join' | 'update_participant'
 *   | 'withdraw'} CommandName
 */

/** @typedef {'connecting' | 'live' | 'unconfirmed' | 'reconnecting' | 'closed'} ConnectionState */

/**
 * What the client needs of a WebSocket.
 *
 * @typedef {object} Socket
 * @property {(data: string) => void} send
 * @property {() => void} close
 * @property {number} readyState
 * @property {((event: any) => void) | null} onopen
 * @property {((event: any) => void) | null} onmessage
 * @property {((event: any) => void) | null} onclose
 * @property {((event: any) => void) | null} onerror
 */

/**
 * The client's access to the outside world.
 *
 * @typedef {object} Environment
 * @property {() => number} now a monotonic clock, in milliseconds
 * @property {() => number} wallClock the time of day in milliseconds; it may be set
 * @property {() => number} random from 0 to 1, 1 excluded
 * @property {(callback: () => void, delayMs: number) => unknown} setTimer may call back early; the
 *   callback looks at the clock, and sets another
 * @property {(timer: any) => void} clearTimer
 * @property {(url: string, protocol?: string) => Socket} openSocket
 * @property {(callback: () => void) => () => void} onOffline calls back when the machine goes
 *   offline; returns a function that stops this
 * @property {(callback: () => void) => () => void} onWake calls back when the page becomes
 *   visible or the machine goes online; returns a function that stops this
 */

export {};
