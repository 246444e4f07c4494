// As much of a page as an element of ours needs.

class Element {
  style = {};
  children = [];
  attributes = {};
  listeners = {};
  own = "";

  constructor(tag) {
    this.tag = tag;
  }

  get textContent() {
    return this.own + this.children.map((child) => child.textContent ?? child).join("");
  }

  set textContent(text) {
    this.own = text;
    this.children = [];
  }

  append(...children) {
    this.children.push(...children);
  }

  replaceChildren(...children) {
    this.children = children;
  }

  setAttribute(name, value) {
    this.attributes[name] = value;
  }

  addEventListener(name, listener) {
    this.listeners[name] = listener;
  }

  /** Return all elements of a tag within. */
  all(tag) {
    return this.children.flatMap((child) => (child.tag ? [...(child.tag === tag ? [child] : []), ...child.all(tag)] : []));
  }
}

export const fakeDocument = () => ({ createElement: (tag) => new Element(tag) });
