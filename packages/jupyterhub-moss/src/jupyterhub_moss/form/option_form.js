// The spawn form's behaviour. Only the fields of the Advanced tab are read by the server; the Simple tab drives them.
(() => {
  "use strict";

  const STORED_FORM = "form-config:v3";
  const STORED_ENVIRONMENTS = "custom-environment-config:v1";
  const HOUR = 3600;
  const SIMPLE_HOURS = [1, 2, 4, 8, 12, 24, 48, 72, 168];

  const root = document.getElementById("moss_form");
  const byId = (id) => document.getElementById(id);
  // an account or QOS can be chosen only by who has several
  const STORED_FIELDS = [
    "partition", "nprocs", "mem", "ngpus", "gpu_type", "runtime", "default_url", "reservation", "options", "account", "qos",
  ].filter((id) => byId(id));
  const named = (name) => [...root.querySelectorAll(`input[name="${name}"]`)];
  const data = window.SLURM_DATA || { partitions: {}, default_partition: "" };
  const has = (object, key) => typeof key === "string" && Object.prototype.hasOwnProperty.call(object, key);
  const partition = () => (has(data.partitions, byId("partition").value) ? data.partitions[byId("partition").value] : null);

  // ---- what the browser remembers: anything may be in there, so nothing in it is believed

  function load(key) {
    try {
      const value = JSON.parse(window.localStorage.getItem(key));
      return value !== null && typeof value === "object" && !Array.isArray(value) ? value : {};
    } catch {
      return {}; // no storage, or not ours
    }
  }

  function save(key, value) {
    try {
      window.localStorage.setItem(key, JSON.stringify(value));
    } catch {
      // storage is full or forbidden: the form works without memory
    }
  }

  const text = (value) => (typeof value === "string" || typeof value === "number" ? String(value) : "");

  function loadEnvironments() {
    const environments = {};
    for (const [key, value] of Object.entries(load(STORED_ENVIRONMENTS))) {
      if (!key.startsWith("custom-") || value === null || typeof value !== "object") continue;
      const environment = { description: text(value.description), path: text(value.path), modules: text(value.modules) };
      if (environment.path || environment.modules) environments[key] = environment;
    }
    return environments;
  }

  let custom = loadEnvironments();

  // ---- small builders

  function element(tag, attributes = {}, ...children) {
    const created = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === "boolean") created[name] = value;
      else created.setAttribute(name, value);
    }
    created.append(...children);
    return created;
  }

  const clock = (seconds) => {
    const two = (number) => String(number).padStart(2, "0");
    return `${Math.floor(seconds / HOUR)}:${two(Math.floor((seconds % HOUR) / 60))}:${two(Math.floor(seconds % 60))}`;
  };

  function seconds(runtime) {
    const match = /^(?:(\d+)-)?(\d+)(?::(\d{1,2}))?(?::(\d{1,2}))?$/.exec(runtime.trim());
    if (!match) return NaN;
    const [days, hours, minutes, rest] = match.slice(1).map((part) => Number(part || 0));
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest;
  }

  function readable(length) {
    if (length % (24 * HOUR) === 0) return `${length / 24 / HOUR} day${length === 24 * HOUR ? "" : "s"}`;
    if (length % HOUR === 0) return `${length / HOUR} hour${length === HOUR ? "" : "s"}`;
    return `${Math.round(length / 60)} minutes`;
  }

  // ---- limits of the chosen partition

  function limit(input, span, maximum) {
    span.textContent = maximum === null ? "" : `/ ${maximum}`;
    if (maximum === null) input.removeAttribute("max");
    else input.max = maximum;
    if (maximum !== null && Number(input.value) > maximum) input.value = maximum;
  }

  function writeMemory() {
    const gigabytes = byId("mem_input").value.trim();
    let amount = gigabytes === "" ? "" : "0";
    if (Number(gigabytes) > 0) {
      amount = Number.isInteger(Number(gigabytes)) ? `${gigabytes}G` : `${Math.ceil(Number(gigabytes) * 1024)}M`;
    }
    byId("mem").value = amount;
  }

  function readMemory() {
    const match = /^(\d+)([KMGT]?)$/i.exec(byId("mem").value.trim());
    if (!match) return;
    const unit = { K: 1 / 1024 / 1024, "": 1 / 1024, M: 1 / 1024, G: 1, T: 1024 }[match[2].toUpperCase()];
    byId("mem_input").value = Math.round(Number(match[1]) * unit * 1000) / 1000;
  }

  function applyPartition() {
    const chosen = partition();
    if (!chosen) return;
    limit(byId("nprocs"), byId("max_nprocs_span"), chosen.max_nprocs);
    showGpuKinds(byId("gpu_type"), byId("gpu_type_group"));
    limit(byId("ngpus"), byId("max_ngpus_span"), gpuMaximum(byId("gpu_type").value));
    byId("ngpus").disabled = chosen.max_ngpus === 0;
    limit(byId("mem_input"), byId("max_mem_span"), chosen.max_mem === null ? null : Math.floor(chosen.max_mem / 102.4) / 10);
    writeMemory();
    if (chosen.max_runtime !== null && seconds(byId("runtime").value) > chosen.max_runtime) {
      byId("runtime").value = clock(chosen.max_runtime);
    }
    checkRuntime();
    checkFit();
    showEnvironments();
    markCurrentRow();
  }

  // ---- what one node can serve: a partition's nodes may be unlike each other

  const gpuKinds = () => partition()?.gpu_types ?? [];

  function gpuMaximum(kind) {
    const found = gpuKinds().find((gpu) => gpu.kind === kind);
    return found ? found.max : partition()?.max_ngpus ?? null;
  }

  function showGpuKinds(select, group) {
    const kinds = gpuKinds();
    const before = select.value;
    select.replaceChildren(...kinds.map(({ kind, max }) => element("option", { value: kind }, `${kind || "any"} (up to ${max})`)));
    select.value = kinds.some(({ kind }) => kind === before) ? before : kinds[0]?.kind ?? "";
    select.disabled = group.hidden = kinds.length < 2;
  }

  const gpusOf = (node, kind) => (kind ? node.gpus[kind] ?? 0 : Object.values(node.gpus).reduce((sum, count) => sum + count, 0));

  function serving({ cpus = 0, megabytes = 0, kind = "", gpus = 0 }) {
    const wanted = kind || gpuKinds()[0]?.kind || "";
    return (partition()?.node_types ?? []).filter(
      (node) => node.cpus >= cpus && node.memory >= megabytes && (gpus === 0 || gpusOf(node, wanted) >= gpus));
  }

  const sum = (nodes, key) => nodes.reduce((total, node) => total + node[key], 0);
  const count = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;

  function fitWords(asked, nodes) {
    if (nodes.length === 0) {
      const parts = [count(asked.cpus, "CPU")];
      if (asked.megabytes) parts.push(`${byId("mem_input").value} GB of memory`);
      if (asked.gpus) parts.push(`${count(asked.gpus, "GPU")} ${asked.kind}`.trim());
      return `No node of this partition has ${parts.join(" and ")}${parts.length > 1 ? " together" : ""}.`;
    }
    const offline = sum(nodes, "offline");
    const all = sum(partition().node_types, "total");
    return `${sum(nodes, "total")} of ${count(all, "node")} can run this, ${sum(nodes, "idle")} of them free now${offline ? `, ${offline} offline` : ""}.`;
  }

  function checkFit() {
    const types = partition()?.node_types ?? [];
    byId("moss_fit").hidden = types.length === 0;
    byId("nprocs").setCustomValidity("");
    if (types.length === 0) return;
    const asked = {
      cpus: Number(byId("nprocs").value), megabytes: Number(byId("mem_input").value) * 1024,
      kind: byId("gpu_type").value, gpus: Number(byId("ngpus").value),
    };
    const nodes = serving(asked);
    const words = fitWords(asked, nodes);
    byId("moss_fit").textContent = words;
    byId("moss_fit").classList.toggle("moss-impossible", nodes.length === 0);
    const others = serving({ ...asked, cpus: 0 });
    const cpus = Math.max(0, ...(others.length ? others : types).map((node) => node.cpus));
    byId("nprocs").max = cpus;
    byId("max_nprocs_span").textContent = `/ ${cpus}`;
    if (nodes.length === 0) byId("nprocs").setCustomValidity(words);
  }

  function checkRuntime() {
    const longest = partition()?.max_runtime ?? null;
    const tooLong = longest !== null && seconds(byId("runtime").value) > longest;
    byId("runtime").setCustomValidity(tooLong ? `At most ${readable(longest)} on this partition.` : "");
  }

  function markCurrentRow() {
    for (const row of root.querySelectorAll(".moss-table tbody tr")) {
      row.classList.toggle("moss-current", row.dataset.partition === byId("partition").value);
    }
  }

  // ---- the QOS of the chosen account

  function showQos() {
    const account = byId("account")?.value;
    for (const option of byId("qos")?.options ?? []) {
      option.disabled = option.hidden = Boolean(account && option.value) && !option.dataset.accounts.split(" ").includes(account);
      if (option.disabled && option.selected) byId("qos").value = "";
    }
  }

  // ---- environments: provided ones, the user's own, and the one being added

  const selectedEnvironment = () => named("environment_id").find((radio) => radio.checked)?.value ?? "";

  function environmentRadio(id, description, selected) {
    const radio = element("input", { type: "radio", class: "form-check-input", name: "environment_id", value: id, checked: selected });
    return element("label", { class: "moss-environment" }, radio, element("span", {}, description));
  }

  function customLine(id, environment, selected) {
    const description = environment.description || environment.path || environment.modules;
    const remove = element("button", { type: "button", class: "btn btn-sm btn-outline-secondary", "aria-label": `Remove ${description}` }, "Remove");
    remove.addEventListener("click", () => {
      delete custom[id];
      save(STORED_ENVIRONMENTS, custom);
      showEnvironments();
    });
    return element("div", { class: "moss-environment-line" }, environmentRadio(id, description, selected), remove);
  }

  function showEnvironments(wanted = selectedEnvironment()) {
    const provided = partition()?.jupyter_environments ?? {};
    const adding = wanted === byId("environment_add_radio").value;
    const first = Object.keys(provided)[0] ?? Object.keys(custom)[0] ?? "";
    const selected = has(provided, wanted) || has(custom, wanted) || adding ? wanted : first;
    byId("jupyter_environments_default").replaceChildren(
      ...Object.entries(provided).map(([id, { description }]) => environmentRadio(id, description, id === selected)));
    byId("jupyter_environments_custom").replaceChildren(
      ...Object.entries(custom).map(([id, environment]) => customLine(id, environment, id === selected)));
    byId("environment_add_radio").checked = adding;
    showSimpleEnvironments(provided, selected);
    environmentChosen();
  }

  function showSimpleEnvironments(provided, selected) {
    const option = ([id, environment]) => element("option", { value: id },
      environment.description || environment.path || environment.modules);
    byId("environment_simple_default").replaceChildren(...Object.entries(provided).map(option));
    byId("environment_simple_custom").replaceChildren(...Object.entries(custom).map(option));
    byId("environment_simple_custom").hidden = Object.keys(custom).length === 0;
    if (has(provided, selected) || has(custom, selected)) byId("environment_simple").value = selected;
  }

  function environmentChosen() {
    const id = selectedEnvironment();
    const own = has(custom, id) ? custom[id] : { path: "", modules: "" };
    byId("environment_path").value = own.path;
    byId("environment_modules").value = own.modules;
    const adding = byId("environment_add_radio").checked;
    byId("environment_add").hidden = !adding;
    if (!adding && id) byId("environment_simple").value = id;
    checkNewEnvironment();
  }

  function checkNewEnvironment() {
    const [path, modules] = [byId("environment_add_path"), byId("environment_add_modules")];
    const filled = Boolean(path.value.trim() || modules.value.trim());
    path.required = modules.required = byId("environment_add_radio").checked && !filled;
    byId("environment_add_button").disabled = !filled || !path.checkValidity();
  }

  function addEnvironment() {
    const fields = ["name", "path", "modules"].map((name) => byId(`environment_add_${name}`));
    const [description, path, modules] = fields.map((field) => field.value.trim());
    if (!path && !modules) return;
    const id = `custom-${Date.now()}`;
    custom[id] = { description: description || path || modules, path, modules };
    save(STORED_ENVIRONMENTS, custom);
    for (const field of fields) field.value = "";
    showEnvironments(id);
  }

  // ---- the Simple tab

  function choose(radios, value) {
    const visible = radios.filter((radio) => !radio.parentElement.hidden);
    const wanted = visible.find((radio) => radio.value === String(value)) ?? visible[0];
    if (wanted) wanted.checked = true;
  }

  function showSimpleChoices() {
    const chosen = partition();
    if (!chosen) return;
    const quarter = Math.floor((chosen.max_nprocs ?? 0) / 4);
    byId("quarterCore").value = quarter;
    byId("quarterCore").nextElementSibling.textContent = quarter;
    byId("quarterCore").parentElement.dataset.offered = quarter > 4;
    byId("gpu_simple").hidden = !chosen.max_ngpus;
    showGpuKinds(byId("gpu_type_simple"), byId("gpu_type_simple_group"));
    showGpuCounts();
    showRuntimes(chosen.max_runtime);
  }

  // as many as a node has of the chosen kind
  function showGpuCounts() {
    const gpus = gpuMaximum(byId("gpu_type_simple").value) ?? 0;
    const before = Number(named("ngpus_simple").find((radio) => radio.checked)?.value ?? 0);
    const kept = before <= gpus ? before : 0;
    byId("gpu_simple_choices").replaceChildren(...[...new Set([0, 1, 2, 4, 8, gpus])].filter((count) => count <= gpus).map((count) => {
      const radio = element("input", { type: "radio", name: "ngpus_simple", id: `${count}Gpu`, value: count, checked: count === kept });
      return element("label", { class: "moss-choice" }, radio, element("span", {}, count ? String(count) : "none"));
    }));
    showCpuCounts();
  }

  // no choice that no node can serve beside the chosen GPUs
  function showCpuCounts() {
    const asked = { kind: byId("gpu_type_simple").value, gpus: Number(named("ngpus_simple").find((radio) => radio.checked)?.value ?? 0) };
    const known = (partition()?.node_types ?? []).length > 0;
    for (const radio of named("nprocs_simple")) {
      const cpus = Number(radio.value);
      const possible = known ? serving({ ...asked, cpus }).length > 0 : cpus <= (partition()?.max_nprocs ?? Infinity);
      radio.parentElement.hidden = !possible || radio.parentElement.dataset.offered === "false";
    }
    choose(named("nprocs_simple"), named("nprocs_simple").find((radio) => radio.checked)?.value ?? 1);
  }

  function showRuntimes(longest) {
    const before = byId("runtime_simple").value;
    let lengths = SIMPLE_HOURS.map((hours) => hours * HOUR).filter((length) => longest === null || length <= longest);
    if (longest !== null && longest < 169 * HOUR && !lengths.includes(longest)) lengths = [...lengths, longest];
    byId("runtime_simple").replaceChildren(...lengths.map((length) => element("option", { value: clock(length) }, readable(length))));
    byId("runtime_simple").value = lengths.map(clock).includes(before) ? before : clock(lengths[0]);
  }

  function simpleDrives() {
    byId("nprocs").value = named("nprocs_simple").find((radio) => radio.checked)?.value ?? 1;
    byId("ngpus").value = named("ngpus_simple").find((radio) => radio.checked)?.value ?? 0;
    showGpuKinds(byId("gpu_type"), byId("gpu_type_group"));
    byId("gpu_type").value = byId("gpu_type_simple").value;
    byId("runtime").value = byId("runtime_simple").value;
    setPage(byId("jupyterlab_simple").checked ? "/lab" : "/tree");
    byId("mem_input").value = "";
    for (const id of ["reservation", "options"]) byId(id).value = "";
    const id = byId("environment_simple").value;
    for (const radio of named("environment_id")) radio.checked = radio.value === id;
    applyPartition();
  }

  function simplePartitionChosen(name) {
    byId("partition").value = name;
    showEnvironments();
    for (const radio of named("ngpus_simple")) radio.checked = radio.value === "0";
    showSimpleChoices();
    simpleDrives();
  }

  function setPage(url) {
    const select = byId("default_url");
    if (![...select.options].some((option) => option.value === url)) select.append(element("option", { value: url }, url));
    select.value = url;
    byId("default_url_hidden_input").value = url;
  }

  // ---- tabs

  const tabs = [["simple", byId("simple_tab_link"), byId("home")], ["advanced", byId("advanced_tab_link"), byId("menu1")]];
  const currentTab = () => tabs.find(([, link]) => link.getAttribute("aria-selected") === "true")[0];

  function openTab(wanted) {
    for (const [name, link, pane] of tabs) {
      const open = name === wanted;
      link.classList.toggle("active", open);
      link.setAttribute("aria-selected", String(open));
      link.tabIndex = open ? 0 : -1;
      pane.classList.toggle("active", open);
      pane.hidden = !open;
    }
  }

  function backToSimple() {
    const radios = named("partition_simple");
    const radio = radios.find((each) => each.value === byId("partition").value) ?? radios.find((each) => each.checked) ?? radios[0];
    if (!radio) return;
    radio.checked = true;
    if (byId("environment_add_radio").checked) showEnvironments("");
    simplePartitionChosen(radio.value);
  }

  function connectTabs() {
    for (const [name, link] of tabs) {
      link.addEventListener("click", () => {
        openTab(name);
        if (name === "simple") backToSimple();
      });
      link.addEventListener("keydown", (event) => {
        if (!["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) return;
        event.preventDefault();
        const other = tabs.find(([each]) => each !== name)[1];
        other.focus();
        other.click();
      });
    }
  }

  // ---- remembering the form

  function remember() {
    const fields = Object.fromEntries(STORED_FIELDS.map((id) => [id, byId(id).value]));
    fields.output = byId("output").checked;
    const simple = {
      nprocs: named("nprocs_simple").find((radio) => radio.checked)?.id ?? "",
      ngpus: named("ngpus_simple").find((radio) => radio.checked)?.value ?? "0",
      gpu_type: byId("gpu_type_simple").value,
      runtime: byId("runtime_simple").value,
      jupyterlab: byId("jupyterlab_simple").checked,
    };
    save(STORED_FORM, { tab: currentTab(), simple, fields, environment: selectedEnvironment() });
  }

  function restoreFields(stored) {
    const fields = stored.fields !== null && typeof stored.fields === "object" ? stored.fields : {};
    if (!has(data.partitions, fields.partition)) return false; // gone from Slurm: nothing of it fits any more
    byId("partition").value = fields.partition;
    showGpuKinds(byId("gpu_type"), byId("gpu_type_group"));
    for (const id of STORED_FIELDS.slice(1)) {
      if (id === "default_url") setPage(["/lab", "/tree"].includes(fields[id]) ? fields[id] : "/lab");
      else if (has(fields, id)) byId(id).value = text(fields[id]);
      if (byId(id).selectedIndex === -1) byId(id).selectedIndex = 0; // no longer offered
    }
    byId("output").checked = fields.output === true;
    return true;
  }

  // what was started last, from whichever browser: the hub has written it into the fields
  function restoreLast() {
    if (root.dataset.remembered !== "true") return false;
    const fields = Object.fromEntries(STORED_FIELDS.map((id) => [id, byId(id).value]));
    const own = byId("environment_add_radio").checked;
    const simple = {
      nprocs: named("nprocs_simple").find((radio) => radio.value === fields.nprocs)?.id ?? "",
      ngpus: fields.ngpus, gpu_type: fields.gpu_type, runtime: fields.runtime, jupyterlab: fields.default_url !== "/tree",
    };
    const offered = [...byId("runtime_simple").options].some((option) => option.value === fields.runtime);
    const canBeSimple = offered && simple.nprocs && !fields.mem && !fields.reservation && !fields.options && !own;
    const tab = canBeSimple ? text(load(STORED_FORM).tab) : "advanced";
    return restore({ tab, simple, fields: { ...fields, output: byId("output").checked }, environment: selectedEnvironment() });
  }

  function restore(stored) {
    if (!restoreFields(stored)) return false;
    readMemory();
    applyPartition();
    showEnvironments(text(stored.environment));
    for (const radio of named("partition_simple")) radio.checked = radio.value === byId("partition").value;
    showSimpleChoices();
    const simple = stored.simple !== null && typeof stored.simple === "object" ? stored.simple : {};
    if (gpuKinds().some(({ kind }) => kind === simple.gpu_type)) byId("gpu_type_simple").value = simple.gpu_type;
    showGpuCounts();
    choose(named("ngpus_simple"), text(simple.ngpus));
    showCpuCounts();
    choose(named("nprocs_simple"), named("nprocs_simple").find((radio) => radio.id === simple.nprocs)?.value);
    if ([...byId("runtime_simple").options].some((option) => option.value === simple.runtime)) byId("runtime_simple").value = simple.runtime;
    byId("jupyterlab_simple").checked = simple.jupyterlab !== false;
    const canBeSimple = named("partition_simple").some((radio) => radio.checked);
    openTab(stored.tab === "advanced" || !canBeSimple ? "advanced" : "simple");
    if (currentTab() === "simple") simpleDrives();
    return true;
  }

  // ---- a link to the form as it is filled in

  function shareLink() {
    const link = new URL(`${window.jhdata?.base_url ?? "/hub/"}spawn`, window.location.origin);
    const fields = { ...Object.fromEntries(STORED_FIELDS.map((id) => [id, byId(id).value])), memory: byId("mem").value, mem: "" };
    const id = selectedEnvironment();
    const environment = has(partition()?.jupyter_environments ?? {}, id)
      ? { environment_id: id }
      : { environment_path: byId("environment_path").value, environment_modules: byId("environment_modules").value };
    for (const [name, value] of Object.entries({ ...fields, ...environment })) {
      if (value) link.searchParams.set(`opt-${name}`, value);
    }
    if (byId("output").checked) link.searchParams.set("opt-output", "true");
    return link.href;
  }

  // ---- start

  function connect() {
    connectTabs();
    byId("home").addEventListener("change", (event) => {
      if (event.target.name === "partition_simple") simplePartitionChosen(event.target.value);
      else {
        if (event.target.id === "gpu_type_simple") showGpuCounts();
        if (event.target.name === "ngpus_simple") showCpuCounts();
        simpleDrives();
      }
    });
    root.addEventListener("moss:resources", ({ detail }) => {
      for (const [name, fresh] of Object.entries(detail)) {
        if (has(data.partitions, name)) data.partitions[name] = fresh;
      }
      checkFit();
    });
    byId("gpu_type").addEventListener("change", applyPartition);
    byId("account")?.addEventListener("change", showQos);
    byId("share").addEventListener("toggle", () => { byId("share_link").value = shareLink(); });
    root.addEventListener("change", () => { byId("share_link").value = shareLink(); });
    byId("share_link").addEventListener("focus", (event) => event.target.select());
    for (const id of ["nprocs", "ngpus", "mem_input"]) byId(id).addEventListener("input", checkFit);
    byId("partition").addEventListener("change", () => { applyPartition(); showSimpleChoices(); });
    byId("runtime").addEventListener("input", checkRuntime);
    byId("mem_input").addEventListener("input", writeMemory);
    byId("default_url").addEventListener("change", (event) => setPage(event.target.value));
    byId("jupyter_environments").addEventListener("change", environmentChosen);
    byId("environment_add").addEventListener("input", checkNewEnvironment);
    byId("environment_add_button").addEventListener("click", addEnvironment);
    root.closest("form")?.addEventListener("submit", () => {
      if (byId("environment_add_radio").checked) addEnvironment();
      remember();
    });
  }

  function takeOver() {
    root.classList.add("moss-js");
    byId("mem").type = "hidden";
    byId("mem_label").hidden = true;
    byId("mem_group").hidden = false;
    const prefilled = root.dataset.prefilled === "true";
    const asked = { path: byId("environment_path").value, modules: byId("environment_modules").value };
    byId("environment_plain").hidden = true;
    connect();
    readMemory();
    showSimpleChoices();
    applyPartition();
    if (byId("environment_add_radio").checked) {
      byId("environment_add_path").value = asked.path;
      byId("environment_add_modules").value = asked.modules;
      environmentChosen();
    }
    if (prefilled) {
      openTab("advanced");
    } else if (!restoreLast() && !restore(load(STORED_FORM))) {
      openTab(named("partition_simple").length ? "simple" : "advanced");
      if (currentTab() === "simple") backToSimple();
    }
    showQos();
  }

  takeOver();
})();
