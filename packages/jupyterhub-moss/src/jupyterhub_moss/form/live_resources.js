// Keeps the free resources of an open spawn page up to date. The page is complete without it.
(() => {
  "use strict";

  const root = document.getElementById("moss_form");
  const url = root.dataset.resourcesUrl;
  const pause = Number(root.dataset.refreshSeconds) * 1000;
  let failures = 0;

  const NAMES = { ncores: "CPUs", ngpus: "GPUs", nnodes: "nodes" };

  function showFree(cell, partition) {
    const [idle, total] = [partition[`${cell.dataset.free}_idle`], partition[`${cell.dataset.free}_total`]];
    if (total === null) return;
    const words = document.createElement("span");
    words.className = "moss-free";
    words.textContent = `${idle} of ${total}`;
    const meter = document.createElement("meter");
    Object.assign(meter, { min: 0, max: Math.max(total, 1), value: idle });
    meter.setAttribute("aria-label", `${idle} of ${total} ${NAMES[cell.dataset.free]} free`);
    cell.replaceChildren(words, meter);
  }

  function showRow(row, partition) {
    row.querySelectorAll("[data-free]").forEach((cell) => showFree(cell, partition));
    showLines(row.querySelectorAll(".moss-kinds li"), partition.node_types);
    showLines(row.querySelectorAll(".moss-gpus li"), partition.gpu_types);
  }

  function showLines(lines, kinds) {
    if (lines.length !== kinds.length) return;
    lines.forEach((line, place) => { line.textContent = kinds[place].words; });
  }

  function showNotice(words) {
    const notice = document.getElementById("moss_notice");
    notice.hidden = !words;
    // an unchanged status is not written again: a screen reader would say it again
    if (notice.textContent !== words) notice.textContent = words;
  }

  function show(answer) {
    for (const row of root.querySelectorAll("tr[data-partition]")) {
      const partition = answer.partitions[row.dataset.partition];
      if (partition) showRow(row, partition);
    }
    for (const [name, count] of [["cpus", "ncores_idle"], ["gpus", "ngpus_idle"]]) {
      for (const free of root.querySelectorAll(`[data-free-${name}]`)) {
        const idle = answer.partitions[free.getAttribute(`data-free-${name}`)]?.[count];
        if (typeof idle === "number") free.textContent = idle;
      }
    }
    root.querySelectorAll(".moss-resources").forEach((table) => table.classList.toggle("moss-stale", answer.stale));
    if (answer.age !== null) {
      const at = new Date(Date.now() - answer.age * 1000).toLocaleTimeString();
      root.querySelectorAll(".moss-as-of").forEach((place) => { place.textContent = `as of ${at}`; });
    }
    showNotice(answer.notice);
    root.dispatchEvent(new CustomEvent("moss:resources", { detail: answer.partitions }));
  }

  async function refresh() {
    try {
      const answer = await fetch(url, { headers: { "X-XSRFToken": window.jhdata?.xsrf_token ?? "" }, credentials: "same-origin" });
      if (!answer.ok) throw new Error(`the hub answered ${answer.status}`);
      show(await answer.json());
      failures = 0;
    } catch {
      failures += 1;
      root.querySelectorAll(".moss-resources").forEach((table) => table.classList.add("moss-stale"));
      if (failures === 2) showNotice("The hub does not answer, so the numbers on this page are old. It is asked again.");
    }
    setTimeout(refreshWhenSeen, pause * Math.min(2 ** failures, 8));
  }

  // a page in the background asks nothing, and asks at once when somebody looks at it again
  function refreshWhenSeen() {
    if (!document.hidden) refresh();
    else document.addEventListener("visibilitychange", refreshWhenSeen, { once: true });
  }

  if (url) setTimeout(refreshWhenSeen, pause);
})();
