#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Why there is no OpenCL device, as far as this process can see it.
enum Diagnosis {
  static let vendorFolder = "/etc/OpenCL/vendors"

  /// What was looked for, what was found, and what to install.
  static func text() -> String {
    var parts: [String] = []
    let folder = getenv("OCL_ICD_VENDORS").map { String(cString: $0) } ?? vendorFolder
    let drivers = entries(of: folder).filter { $0.hasSuffix(".icd") }
    if drivers.isEmpty {
      parts.append("There is no driver file (*.icd) in \(folder)")
    }
    for file in drivers {
      let library = firstLine(of: folder + "/" + file)
      if dlopen(library, RTLD_LAZY | RTLD_LOCAL) == nil {
        parts.append("\(folder)/\(file) names \(library), which cannot be loaded")
      } else {
        parts.append("\(folder)/\(file) names \(library), which loads but offers no device")
      }
    }
    if drivers.contains(where: { $0.contains("pocl") }), let fault = poclCacheFault() { parts.append(fault) }
    let nodes = entries(of: "/dev/dri").filter { $0.hasPrefix("renderD") }
    for node in nodes where access("/dev/dri/" + node, R_OK | W_OK) != 0 {
      parts.append("/dev/dri/\(node) may not be used by this user: join the group render (usermod -aG render NAME)")
    }
    return parts.joined(separator: ". ")
      + ". Install a driver: the Debian package pocl-opencl-icd (CPU), intel-opencl-icd (Intel), mesa-opencl-icd (AMD), "
      + "nvidia-opencl-icd (NVIDIA)"
  }

  /// Why PoCL cannot keep compiled kernels, without which it offers no device or compiles nothing; nil where it can.
  static func poclCacheFault() -> String? {
    let folder =
      variable("POCL_CACHE_DIR") ?? variable("XDG_CACHE_HOME").map { $0 + "/pocl/kcache" }
      ?? variable("HOME").map { $0 + "/.cache/pocl/kcache" }
    guard let folder else { return nil }
    // PoCL would make them too.
    for (index, byte) in folder.utf8.enumerated() where byte == UInt8(ascii: "/") && index > 0 {
      mkdir(String(decoding: folder.utf8.prefix(index), as: UTF8.self), 0o777)
    }
    mkdir(folder, 0o777)
    // Several programs may be compiled at once.
    var probe = Array("\(folder)/.switchback-XXXXXX".utf8CString)
    let file = mkstemp(&probe)
    guard file >= 0 else { return fault(folder, errno) }
    defer {
      close(file)
      unlink(probe)
    }
    // A full disk takes names, but no contents.
    let page = [UInt8](repeating: 1, count: 4096)
    return write(file, page, page.count) == page.count ? nil : fault(folder, errno)
  }

  private static func fault(_ folder: String, _ code: Int32) -> String {
    "PoCL's folder of compiled kernels, \(folder), cannot be written (\(String(cString: strerror(code)))): "
      + "POCL_CACHE_DIR names another"
  }

  private static func variable(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
  }

  private static func entries(of folder: String) -> [String] {
    guard let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      names.append(
        withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        })
    }
    return names.sorted()
  }

  private static func firstLine(of path: String) -> String {
    guard let file = fopen(path, "r") else { return "" }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 1024)
    guard fgets(&line, Int32(line.count), file) != nil else { return "" }
    let bytes = line.prefix { $0 != 0 && $0 != 10 }.map { UInt8(bitPattern: $0) }
    return String(decoding: bytes, as: UTF8.self)
  }
}
