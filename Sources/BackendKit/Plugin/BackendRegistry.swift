#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif
import SwitchbackPrograms

/// Finds backends by name: those linked in, and shared libraries in a few known folders.
///
/// A library is looked up at the path itself where the name is one, then in each folder of
/// `$SWITCHBACK_BACKEND_PATH`, beside the executable, and in `<prefix>/lib/switchback`. Only named files are loaded.
public struct BackendRegistry: Sendable {
  /// Backends that are part of this program; the reference is always among them.
  public var linked: [any ComputeBackend]
  public var folders: [String]
  /// Tries a device at its first use in a process of its own, since drivers crash: of a backend's name or path, and the
  /// options in its configuration, the verdict as JSON. Of a device that did not live through it, an error of the kind
  /// `deviceLost`. Nil, where the program cannot start itself: in this process.
  public var firstTrial: (@Sendable (_ name: String, _ options: [String: String]) throws -> [UInt8])?

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
    if name.contains("/") { return try LoadedBackend(file: name) }
    // Without a slash the loader would look along its own path, and may find another library of that name.
    if name.hasSuffix(".so") { return try LoadedBackend(file: "./" + name) }
    let file = "libSwitchback\(Self.stems.first { $0.0 == name }?.1 ?? name).so"
    for folder in folders where access(folder + "/" + file, R_OK) == 0 {
      return try LoadedBackend(file: folder + "/" + file)
    }
    let known = names.joined(separator: ", ")
    let reason = "there is no backend called \(name)"
    throw BackendError(
      .unavailable,
      reason + "\(NearestWord.hint(NearestWord.of(name, among: names))) (\(file) is not in "
        + "\(folders.joined(separator: ", "))). Known here: \(known). "
        + "Folders in $SWITCHBACK_BACKEND_PATH are looked into first; a library anywhere is named by its path",
      reason: reason)
  }

  /// The names that `backend(named:)` knows, without loading a library.
  public var names: [String] { linked.map(\.identity.name) + libraries.map(\.name) }

  /// The libraries in the folders, by name: of two with one name the first counts. None is loaded.
  public var libraries: [(name: String, file: String)] {
    var seen = Set(linked.map(\.identity.name))
    var found: [(name: String, file: String)] = []
    for folder in folders {
      for file in Self.libraries(in: folder) {
        let stem = String(file.dropFirst("libSwitchback".count).dropLast(".so".count))
        let name = Self.stems.first { $0.1 == stem }?.0 ?? stem
        if seen.insert(name).inserted { found.append((name, folder + "/" + file)) }
      }
    }
    return found
  }

  /// A row of what is linked in.
  public var linkedListings: [BackendListing] { linked.map { BackendListing($0, file: nil) } }

  /// A row of a library, which is loaded into this process: one of somebody else's may end it, so the row of such a one
  /// is asked of a child.
  public func listing(of library: (name: String, file: String)) -> BackendListing {
    do throws(BackendError) {
      return BackendListing(try LoadedBackend(file: library.file), file: library.file)
    } catch {
      return BackendListing(
        name: library.name, version: "", file: library.file, reason: error.message, devices: [])
    }
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
