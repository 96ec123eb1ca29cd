/**
 * Elements, made and written to without HTML, so that no name can become markup.
 *
 * @module
 */

/** @typedef {Node | string | null | undefined | false} Child */

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, unknown>} [properties] of the element; with a hyphen, and `role` and
 *   `for`: attributes; `on` and a name: listeners
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith('on') && typeof value === 'function') {
      element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    } else if (name.includes('-') || name === 'role' || name === 'for') {
      if (value !== undefined) element.setAttribute(name, String(value));
    } else if (value !== undefined) Object.assign(element, { [name]: value });
  }
  element.append(...children.filter((child) => child instanceof Node || typeof child === 'string'));
  return element;
}

/**
 * Write only what is new: everything else costs layout, too.
 *
 * @param {HTMLElement} element
 * @param {string} text
 */
export function write(element, text) {
  const [node] = element.childNodes;
  if (!(node instanceof Text)) element.textContent = text;
  else if (node.data !== text) node.data = text;
}

/**
 * @param {HTMLElement} element
 * @param {string} name
 * @param {string} value
 */
export function mark(element, name, value) {
  if (element.dataset[name] !== value) element.dataset[name] = value;
}

/**
 * Whether a key that was pressed is meant for what has the focus.
 *
 * @param {KeyboardEvent} event
 */
export function isTaken({ key, target, ctrlKey, altKey, metaKey, defaultPrevented }) {
  if (ctrlKey || altKey || metaKey || defaultPrevented) return true;
  if (!(target instanceof Element)) return false;
  const pressed = key === ' ' || key === 'Enter' ? ', button, a, summary' : '';
  return target.closest(`input, select, textarea, dialog${pressed}`) !== null;
}
