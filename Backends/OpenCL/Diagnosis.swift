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
    let nodes = entries(of: "/dev/dri").filter { $0.hasPrefix("renderD") }
    for node in nodes where access("/dev/dri/" + node, R_OK | W_OK) != 0 {
      parts.append("/dev/dri/\(node) may not be used by this user: join the group render (usermod -aG render NAME)")
    }
    return parts.joined(separator: ". ")
      + ". Install a driver: the Debian package pocl-opencl-icd (CPU), intel-opencl-icd (Intel), mesa-opencl-icd (AMD), "
      + "nvidia-opencl-icd (NVIDIA)"
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
