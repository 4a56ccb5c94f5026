// A field in the place of what it changes: Escape leaves it, Ctrl or Cmd with Enter saves, and nothing typed is lost
// until one of them is done.

/**
 * What is changed, and what becomes of it.
 * @typedef {{before: HTMLElement, value: string, label: string, lines: boolean, save: (value: string) => Promise<void>, typed: (is: boolean) => void, closed: () => void}} Wish
 */

export class Editor {
  /**
   * @param {Wish} wish `before`: hidden meanwhile; `lines`: text of several; `typed`: told whether something is in it that
   *   would be lost; `closed`: called when it was left
   */
  constructor({ before, value, label, lines, save, typed, closed }) {
    this._before = before;
    this._value = value;
    this._save = save;
    this._typed = typed;
    this._closed = closed;
    this._form = document.createElement("form");
    this._form.className = "editing";
    this._field = document.createElement(lines ? "textarea" : "input");
    this._field.value = value;
    this._field.dir = "auto";
    this._field.maxLength = lines ? 5000 : 100;
    this._field.setAttribute("aria-label", label);
    this._alert = document.createElement("p");
    this._alert.setAttribute("role", "alert");
    this._alert.className = "field-error";
    this._alert.dir = "auto";
    this._yes = button("Save", "submit");
    const no = button("Cancel", "button");
    no.addEventListener("click", () => this.close());
    const actions = document.createElement("div");
    actions.className = "actions";
    actions.append(this._yes, no);
    this._form.append(this._field, this._alert, actions);
    this._form.addEventListener("submit", (event) => {
      event.preventDefault();
      this._submit();
    });
    this._field.addEventListener("input", () => this._tell());
    this._form.addEventListener("keydown", (event) => this._key(event));
    before.hidden = true;
    before.after(this._form);
    if (lines) this._field.rows = Math.min(12, 1 + Math.ceil(value.length / 50));
    this._field.focus();
    if (!lines) this._field.select();
  }

  /** Whether something was typed that would be lost; it gets the focus then. */
  keeps() {
    const typed = this._isTyped();
    if (typed) this._field.focus();
    return typed;
  }

  _isTyped() {
    return this._field.value !== this._value;
  }

  _tell() {
    this._typed(this._isTyped());
  }

  /** Put back what was there. */
  close() {
    this._form.remove();
    this._before.hidden = false;
    this._closed();
    this._typed(false);
  }

  _key(event) {
    if (event.isComposing) return; // Enter and Escape are those of an input method
    if (event.key === "Escape") {
      event.preventDefault();
      this.close();
    } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this._submit();
    }
  }

  async _submit() {
    if (this._yes.disabled) return;
    if (!this._isTyped()) {
      this.close();
      return;
    }
    this._yes.disabled = true;
    this._alert.textContent = "";
    try {
      await this._save(this._field.value);
      this._value = this._field.value;
      this._tell();
    } catch (error) {
      this._alert.textContent = error.message;
      this._field.focus();
    } finally {
      this._yes.disabled = false;
    }
  }
}

function button(text, type) {
  const made = document.createElement("button");
  made.type = type;
  made.textContent = text;
  return made;
}
