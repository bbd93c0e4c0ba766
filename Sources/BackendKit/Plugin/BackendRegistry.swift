#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Finds backends by name: those linked in, and shared libraries in a few known folders.
///
/// A library is looked up at the path itself where the name is one, then in each folder of
/// `$SWITCHBACK_BACKEND_PATH`, beside the executable, and in `<prefix>/lib/switchback`. Only named files are loaded.
public struct BackendRegistry: Sendable {
  /// Backends that are part of this program; the reference is always among them.
  public var linked: [any ComputeBackend]
  public var folders: [String]

  /// Our own libraries by the word in configs. Others are called `libSwitchback<name>.so`.
  private static let stems = [("openblas", "OpenBLAS"), ("fft", "FFT"), ("opencl", "OpenCL")]

  public init(linked: [any ComputeBackend], folders: [String] = BackendRegistry.defaultFolders) {
    self.linked = linked
    self.folders = folders
  }

  public static var defaultFolders: [String] {
    var folders: [String] = []
    if let path = getenv("SWITCHBACK_BACKEND_PATH") {
      folders += String(cString: path).split(separator: ":").map(String.init)
    }
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
    let length = readlink("/proc/self/exe", &buffer, buffer.count - 1)
    if length > 0 {
      let executable = String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
      let folder = executable.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
      folders.append(folder)
      // The tests' executable sits one folder deeper than the libraries on some toolchains.
      folders.append(folder + "/../lib/switchback")
    }
    return folders
  }

  /// The backend called `name`, or the one in the library at that path.
  public func backend(named name: String) throws(BackendError) -> any ComputeBackend {
    if let found = linked.first(where: { $0.identity.name == name }) { return found }
    if name.contains("/") || name.hasSuffix(".so") { return try LoadedBackend(file: name) }
    let file = "libSwitchback\(Self.stems.first { $0.0 == name }?.1 ?? name).so"
    for folder in folders where access(folder + "/" + file, R_OK) == 0 {
      return try LoadedBackend(file: folder + "/" + file)
    }
    let known = listings().map(\.name).joined(separator: ", ")
    throw BackendError(
      .unavailable,
      "there is no backend called \(name): \(file) is not in \(folders.joined(separator: ", ")). Known here: \(known)")
  }

  /// One row a backend that is linked in or found in a folder, with the reason where it cannot be used.
  public func listings() -> [BackendListing] {
    var rows = linked.map { BackendListing($0, file: nil) }
    var seen = Set(rows.map(\.name))
    for folder in folders {
      for file in Self.libraries(in: folder) {
        let path = folder + "/" + file
        let row: BackendListing
        do throws(BackendError) {
          row = BackendListing(try LoadedBackend(file: path), file: path)
        } catch {
          let stem = String(file.dropFirst("libSwitchback".count).dropLast(".so".count))
          let name = Self.stems.first { $0.1 == stem }?.0 ?? stem
          row = BackendListing(name: name, version: "", file: path, reason: error.message, devices: [])
        }
        if seen.insert(row.name).inserted { rows.append(row) }
      }
    }
    return rows
  }

  private static func libraries(in folder: String) -> [String] {
    guard let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name.hasPrefix("libSwitchback"), name.hasSuffix(".so") { names.append(name) }
    }
    return names.sorted()
  }
}

/// A row of `switchback backends`.
public struct BackendListing: Sendable {
  public var name: String
  public var version: String
  /// The library, or `nil` where it is part of this program.
  public var file: String?
  /// Why it cannot be used here and what to install; `nil` where it can.
  public var reason: String?
  public var devices: [DeviceInfo]

  public var isAvailable: Bool { reason == nil }

  init(name: String, version: String, file: String?, reason: String?, devices: [DeviceInfo]) {
    (self.name, self.version, self.file, self.reason, self.devices) = (name, version, file, reason, devices)
  }

  init(_ backend: any ComputeBackend, file: String?) {
    self.init(
      name: backend.identity.name, version: backend.identity.version, file: file, reason: nil, devices: [])
    do throws(BackendError) {
      devices = try backend.devices()
    } catch {
      reason = error.message
    }
  }
}
