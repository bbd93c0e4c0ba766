/// What a file is, whatever it is called.
package enum FileIdentity {
  /// SHA-256 of its bytes, in hexadecimal.
  package static func sha256(of path: String) throws(DatasetError) -> String { try Checksum.sha256(ofContent: path) }
}
