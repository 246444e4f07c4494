// Elements of the page. Text is only ever set as text: what it holds is never markup.

import { unbroken } from "./format.js";

/**
 * Return an element. `style` is set part by part; what has a dash in its name, and `role`, is an attribute.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, any>} [properties]
 * @param {(Node | string | false | null | undefined | 0 | "")[]} children what is empty is left out
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function made(tag, { style = {}, ...properties } = {}, ...children) {
  const element = document.createElement(tag);
  Object.assign(element.style, style);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "textContent") element.textContent = unbroken(value);
    else if (name === "role" || name.includes("-")) element.setAttribute(name, value);
    else Object.assign(element, { [name]: value });
  }
  element.append(...present(children).map((child) => (typeof child === "string" ? unbroken(child) : child)));
  return element;
}

/** Return what is there of things that may be left out.
 * @template T
 * @param {(T | false | null | undefined | 0 | "")[]} things
 */
export function present(things) {
  return /** @type {T[]} */ (things.filter(Boolean));
}

/** @param {number} milliseconds */
export function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
