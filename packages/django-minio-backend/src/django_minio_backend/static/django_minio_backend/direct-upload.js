// Sends chosen files straight to the S3 server. Events are caught at the document, so that inputs which are added
// later (the admin's inline forms) work too, and files chosen before this script was there are taken up at its end.
(() => {
  "use strict";

  const TRIES = 6; // of one request, with growing pauses between them
  const FIRST_PAUSE = 500; // milliseconds
  const LONGEST_PAUSE = 15000;
  const SILENCE = 60000; // after so long without progress a request counts as lost
  const LINKS = 50; // asked for at a time
  const PASSING = new Set([0, 408, 429, 500, 502, 503, 504]); // 0: no answer

  class Failure extends Error {
    constructor(message, status = 0, answer = {}) {
      super(message);
      this.status = status;
      this.answer = answer;
    }
  }

  const uploads = new WeakMap(); // list items to their uploads

  // One request. Progress and cancelling need XMLHttpRequest: fetch tells nothing about what has been sent.
  function send(method, url, { body = null, headers = {}, signal, progress = () => {} }) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      let silence;
      const heard = () => {
        clearTimeout(silence);
        silence = setTimeout(() => request.abort(), SILENCE);
      };
      const cancel = () => request.abort();
      request.open(method, url);
      for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
      request.upload.onprogress = (event) => {
        heard();
        progress(event.loaded);
      };
      request.onloadend = () => {
        clearTimeout(silence);
        signal.removeEventListener("abort", cancel);
        if (signal.aborted) reject(signal.reason);
        else if (request.status >= 200 && request.status < 300) resolve(request.responseText);
        else reject(new Failure("", request.status, parsed(request.responseText)));
      };
      signal.throwIfAborted();
      signal.addEventListener("abort", cancel);
      heard();
      request.send(body);
    });
  }

  function parsed(text) {
    try {
      return JSON.parse(text) ?? {};
    } catch {
      return {}; // the S3 server answers with XML, a proxy with HTML
    }
  }

  // Waits, and where the browser knows that it is offline, until it is not.
  function pause(milliseconds, signal) {
    return new Promise((resolve, reject) => {
      const go = () => {
        signal.removeEventListener("abort", stop);
        removeEventListener("online", go);
        clearTimeout(timer);
        resolve();
      };
      const stop = () => {
        go();
        reject(signal.reason);
      };
      const timer = navigator.onLine ? setTimeout(go, milliseconds) : undefined;
      addEventListener("online", go);
      signal.addEventListener("abort", stop);
    });
  }

  function sized(bytes) {
    const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
    const step = Math.min(Math.floor(Math.log(Math.max(bytes, 1)) / Math.log(1024)), units.length - 1);
    const value = bytes / 1024 ** step;
    const unitDisplay = step ? "short" : "long";
    const style = { style: "unit", unit: units[step], unitDisplay, maximumFractionDigits: step > 1 ? 1 : 0 };
    return new Intl.NumberFormat(document.documentElement.lang || undefined, style).format(value);
  }

  const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, key) => values[key]);

  // All about one input: what the server said about it, and what is shown below it.
  class Widget {
    constructor(element) {
      element.directUpload = this;
      this.element = element;
      this.settings = JSON.parse(element.dataset.directUpload);
      this.input = element.querySelector("input[type=file]");
      this.list = element.querySelector(".direct-upload-files");
      this.said = element.querySelector(".direct-upload-said");
      this.note = element.querySelector(".direct-upload-note"); // about the form: seen, and not overtaken by progress
      for (const item of [...this.list.children]) this.adopt(item);
    }

    static of(element) {
      return element.directUpload ?? new Widget(element);
    }

    get uploads() {
      return [...this.list.children].map((item) => uploads.get(item));
    }

    text(key, values) {
      return filled(this.settings.texts[key], values);
    }

    say(key, values) {
      this.said.textContent = this.text(key, values);
    }

    take(files) {
      const limit = this.settings.max_files;
      if (limit === 1) for (const upload of this.uploads) upload.remove();
      for (const file of files) {
        const others = this.uploads.filter((upload) => upload.state !== "failed");
        const upload = new Upload(this, file.name, file.size, file);
        if (others.length < limit) upload.start();
        else upload.fail(new Failure(this.text("too_many", { limit }), 400));
      }
    }

    // An upload of an earlier submission, which the server has put into the page.
    adopt(item) {
      const token = item.querySelector("input[type=hidden]").value;
      const upload = new Upload(this, item.dataset.name, Number(item.dataset.size), null);
      item.replaceWith(upload.item);
      upload.token = token;
      upload.finish();
    }

    changed() {
      this.list.hidden = !this.list.children.length;
      this.input.required = this.settings.required && !this.list.children.length;
      this.element.dispatchEvent(new CustomEvent("direct-upload:change", { bubbles: true }));
    }
  }

  class Upload {
    constructor(widget, name, size, file) {
      Object.assign(this, { widget, name, size, file, hopeless: false });
      this.reset();
      this.item = widget.element.querySelector("template").content.firstElementChild.cloneNode(true);
      uploads.set(this.item, this);
      this.part(".direct-upload-name").textContent = name;
      this.progress.setAttribute("aria-label", widget.text("progress_of", { name }));
      for (const action of ["cancel", "remove", "retry"])
        this.button(action).setAttribute("aria-label", widget.text(action, { name }));
      widget.list.append(this.item);
    }

    // Forgets what has been sent.
    reset() {
      Object.assign(this, { token: "", place: null, waiting: null, sent: new Map(), links: new Map(), announced: 0 });
    }

    part(selector) {
      return this.item.querySelector(selector);
    }

    get progress() {
      return this.part("progress");
    }

    button(action) {
      return this.part(`[data-do=${action}]`);
    }

    get state() {
      return this.item.dataset.state;
    }

    show(state, text) {
      this.item.dataset.state = state;
      this.part(".direct-upload-state").textContent = text;
      const focused = this.item.contains(document.activeElement);
      this.progress.hidden = state !== "sending";
      this.button("cancel").hidden = state !== "sending";
      this.button("remove").hidden = state === "sending";
      this.button("retry").hidden = state !== "failed" || this.hopeless;
      if (focused) this.part("button:not([hidden])").focus();
      this.widget.changed();
    }

    async start() {
      this.stopping = new AbortController();
      if (!held.has(this.widget.input.form)) this.widget.note.textContent = "";
      this.show("sending", this.widget.text("sending", { done: sized(0), size: sized(this.size) }));
      this.widget.say("started", { name: this.name });
      try {
        const limit = this.widget.settings.max_size;
        if (this.size > limit) throw new Failure(this.widget.text("too_large", { limit: sized(limit) }), 400);
        await this.run();
        this.finish();
        this.widget.say("done", { name: this.name });
      } catch (error) {
        if (!this.stopping.signal.aborted) this.fail(error);
      }
    }

    async run() {
      if (!this.token) {
        const { permit } = this.widget.settings;
        this.place = await this.ask("start", { permit, name: this.name, size: this.size });
        this.token = this.place.token;
      }
      await (this.place.part_size ? this.sendParts() : this.sendForm());
    }

    finish() {
      const input = Object.assign(document.createElement("input"), { type: "hidden", value: this.token });
      input.name = `${this.widget.input.name}-upload`;
      this.item.append(input);
      this.show("done", this.widget.text("ready", { size: sized(this.size) }));
    }

    fail(error) {
      this.hopeless = error.status === 400;
      // Too old, or somebody else has logged in: from the start again.
      if (error.status === 403 && (error.answer.error || !this.place?.part_size)) this.reset();
      const status = error.status ? "refused" : "unreachable";
      const reason = error.answer?.error || error.message || this.widget.text(status, error);
      this.show("failed", this.widget.text("refused_here", { reason }));
      this.widget.say("failed", { name: this.name, reason });
    }

    // Removes the upload here, and what has arrived of it there.
    remove() {
      const items = [...this.widget.list.children];
      const next = items[items.indexOf(this.item) + 1] || items[items.indexOf(this.item) - 1];
      const focused = this.item.contains(document.activeElement);
      this.stopping?.abort();
      this.item.remove();
      if (focused) (next?.querySelector("button:not([hidden])") || this.widget.input).focus();
      this.widget.say("removed", { name: this.name });
      this.widget.changed();
      // Nobody waits for it: what stays there is removed by the bucket's lifecycle.
      if (this.token) this.call("abort", { token: this.token }, new AbortController().signal).catch(() => {});
    }

    async sendForm() {
      await this.persist(async () => {
        const body = new FormData();
        for (const [name, value] of Object.entries(this.place.fields)) body.append(name, value);
        body.append("file", this.file);
        await send("POST", this.place.url, { body, ...this.watched(0, this.size) });
      });
    }

    async sendParts() {
      const count = Math.ceil(this.size / this.place.part_size);
      this.waiting ??= Array.from({ length: count }, (_, index) => index + 1);
      for (let round = 0; ; round += 1) {
        const ended = await Promise.allSettled(Array.from({ length: this.widget.settings.parallel }, () => this.work()));
        const failed = ended.find((each) => each.status === "rejected");
        if (failed) throw failed.reason;
        try {
          await this.ask("complete", { token: this.token });
          return;
        } catch (error) {
          this.waiting = error.answer?.missing ?? []; // to be sent again: now, or when somebody asks for it
          if (!this.waiting.length || round === TRIES) throw error;
        }
      }
    }

    // Sends one part after the other while there are any; several of these run side by side.
    async work() {
      while (this.waiting.length) {
        const number = this.waiting.shift();
        try {
          await this.persist(() => this.sendPart(number));
        } catch (error) {
          this.waiting.unshift(number);
          throw error;
        }
      }
    }

    async sendPart(number) {
      const start = (number - 1) * this.place.part_size;
      const body = this.file.slice(start, start + this.place.part_size);
      const url = await this.link(number);
      try {
        await send("PUT", url, { body, ...this.watched(number, body.size) });
      } catch (error) {
        this.links.delete(number); // it may be too old
        throw error;
      }
    }

    async link(number) {
      if (!this.links.has(number)) {
        const numbers = [number, ...this.waiting.slice(0, LINKS - 1)];
        const asked = this.call("parts", { token: this.token, numbers }, this.stopping.signal);
        for (const each of numbers) this.links.set(each, asked);
        asked.catch(() => numbers.forEach((each) => this.links.delete(each)));
      }
      return (await this.links.get(number)).urls[number];
    }

    watched(number, whole) {
      const progress = (loaded) => {
        this.sent.set(number, Math.min(loaded, whole));
        const done = [...this.sent.values()].reduce((sum, each) => sum + each, 0);
        this.progress.value = this.size ? done / this.size : 1;
        const text = this.widget.text("sending", { done: sized(done), size: sized(this.size) });
        this.part(".direct-upload-state").textContent = text;
        const quarter = Math.floor(this.progress.value * 4);
        if (quarter > this.announced && quarter < 4) {
          this.announced = quarter;
          this.widget.say("progress", { name: this.name, percent: quarter * 25 });
        }
      };
      return { progress, signal: this.stopping.signal };
    }

    ask(action, data) {
      return this.persist(() => this.call(action, data, this.stopping.signal));
    }

    async call(action, data, signal) {
      const secret = this.widget.input.form?.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";
      const headers = { "Content-Type": "application/json", "X-CSRFToken": secret };
      const url = this.widget.settings.addresses[action];
      return parsed(await send("POST", url, { body: JSON.stringify(data), headers, signal }));
    }

    // Repeats what failed for a passing reason. A refused link to the file server is asked for anew.
    async persist(attempt) {
      for (let tried = 1; ; tried += 1) {
        try {
          return await attempt();
        } catch (error) {
          const { signal } = this.stopping;
          signal.throwIfAborted();
          const stale = error.status === 403 && !error.answer.error && this.place?.part_size;
          if (!(error instanceof Failure) || tried >= TRIES || !(PASSING.has(error.status) || stale)) throw error;
          if (!navigator.onLine) this.part(".direct-upload-state").textContent = this.widget.text("offline");
          await pause(Math.min(FIRST_PAUSE * 2 ** (tried - 1), LONGEST_PAUSE), signal);
        }
      }
    }
  }

  const widgetOf = (target) => target.closest?.("[data-direct-upload]");
  const widgetsIn = (form) => [...form.querySelectorAll("[data-direct-upload]")].map(Widget.of);

  function choose(input) {
    const element = widgetOf(input);
    if (!element || input.type !== "file") return;
    const files = [...input.files];
    const widget = Widget.of(element);
    if (!files.length) return;
    input.value = ""; // the form is not to send them to Django as well
    widget.take(files);
  }

  const held = new WeakMap(); // forms that wait for uploads, to the button they were sent with

  // Sends a form that was held back, or says why it cannot be sent.
  function settle(form) {
    if (!held.has(form)) return;
    const widgets = widgetsIn(form);
    const all = widgets.flatMap((widget) => widget.uploads);
    if (all.some((upload) => upload.state === "sending")) return;
    const submitter = held.get(form);
    held.delete(form);
    for (const widget of widgets) widget.note.textContent = "";
    const failed = all.find((upload) => upload.state === "failed");
    if (!failed) return form.requestSubmit(submitter);
    failed.widget.note.textContent = failed.widget.text("unfinished");
    failed.part("button:not([hidden])").focus();
  }

  document.addEventListener("change", (event) => choose(event.target));
  document.addEventListener("direct-upload:change", (event) => {
    const { form } = Widget.of(event.target).input;
    if (form) settle(form);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-direct-upload] [data-do]");
    const upload = button && uploads.get(button.closest("li"));
    if (!upload) return;
    if (button.dataset.do === "retry") upload.start();
    else upload.remove();
  });
  document.addEventListener("submit", (event) => {
    const widgets = widgetsIn(event.target);
    const unready = widgets.filter((widget) => widget.uploads.some((upload) => upload.state !== "done"));
    if (!unready.length) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    unready[0].note.textContent = unready[0].text("waiting");
    held.set(event.target, event.submitter);
    settle(event.target);
  }, true);
  addEventListener("beforeunload", (event) => {
    const sending = document.querySelector(".direct-upload-files > li[data-state=sending]");
    if (sending) event.preventDefault();
  });

  function begin() {
    for (const element of document.querySelectorAll("[data-direct-upload]")) {
      if (element.closest(".empty-form")) continue; // the admin's pattern for inline forms
      choose(Widget.of(element).input);
    }
  }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
