import Yams

/// `backend`: who computes, and what each of them is told.
enum BackendReader {
  /// Our own backends: their sections may stand in any configuration, whichever of them it uses.
  static let names = ["openblas", "fft", "opencl", "reference"]

  static func backend(_ section: SectionReader) -> Configuration.Backend {
    let name = section.text(
      "name", "openblas", help: "A backend, the path of its library, or auto: who is measured to be fastest")
    let fallback = section.texts(
      "fallback", Configuration.Backend.defaultFallback(of: name),
      help: "Who runs what the backend declines, in this order")
    let device = section.optionalWord("device", help: "The device of the backend, by its number or a word of its name")
    let candidates = section.optionalTexts("candidates", help: "Who is measured for auto")
    let used = [name] + fallback + (candidates ?? [])
    var options: [String: [String: String]] = [:]
    for (key, given) in section.options(names + used.map(optionKey)) {
      // A library is known in the chain by its path.
      options[used.first { optionKey($0) == key } ?? key] = given
    }
    if device != nil, name == AutoBackend.name {
      section.problems.add(
        "backend.device needs one backend; for auto write it in a backend's section, such as opencl: {device: gpu}",
        at: section.node)
    } else if let device {
      if options[name]?["device"] != nil {
        section.problems.add("backend.device and backend.\(optionKey(name)).device say the same: keep one", at: nil)
      }
      options[name, default: [:]]["device"] = device
    }
    let strict = "Forbids openblas kernels whose error bound is wider than that of the sums by definition"
    if section.bool("strict", false, help: strict) {
      // Who measures itself for auto is told too.
      let named = name == AutoBackend.name ? (candidates ?? AutoBackend.defaultCandidates) + fallback : used
      for backend in named where optionKey(backend).lowercased() == "openblas" {
        options[backend, default: [:]]["strict"] = "true"
      }
    }
    return Configuration.Backend(
      name: name, fallback: fallback,
      search: section.texts(
        "search", [], help: "Folders with libraries of backends, looked into before the usual ones"),
      threads: section.int("threads", 0, in: 0...1024, help: "How many workers; 0: one a core"), options: options,
      candidates: candidates,
      tuningSeconds: section.number(
        "tuning_seconds", 10, in: 0...86400, help: "How long measuring for auto may take, about"),
      places: Places(section, path: section.path))
  }

  /// The key of a backend's options: its name, and of the library `…/libSwitchbackyours.so` `yours`.
  static func optionKey(_ name: String) -> String {
    guard name.contains("/") || name.hasSuffix(".so") else { return name }
    var key = name.split(separator: "/").last.map(String.init) ?? name
    if key.hasSuffix(".so") { key.removeLast(3) }
    return key.hasPrefix("libSwitchback") ? String(key.dropFirst("libSwitchback".count)) : key
  }
}

extension Configuration.Backend {
  /// Who runs what the backend of that name declines, unless `backend.fallback` says otherwise.
  public static func defaultFallback(of name: String) -> [String] {
    // FFT is for convolutions, and needs OpenBLAS anyway.
    name == "fft" ? ["openblas", "reference"] : ["reference"]
  }
}
