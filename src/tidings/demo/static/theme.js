// Light or dark as chosen last time, before the first paint; without a choice, as the system says.
try {
  const chosen = localStorage.getItem("tidings-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // Storage is switched off: the system's choice stays.
}
