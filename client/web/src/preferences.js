/**
 * Preferences in the browser's storage.
 *
 * @module
 */

/** @type {(name: string) => boolean} */
export function loadPreference(name) {
  try {
    return localStorage.getItem(`tickless.${name}`) === 'on';
  } catch {
    // Storage may be disabled.
    return false;
  }
}

/** @type {(name: string, on: boolean) => void} */
export function savePreference(name, on) {
  try {
    localStorage.setItem(`tickless.${name}`, on ? 'on' : 'off');
  } catch {
    // As above.
  }
}
