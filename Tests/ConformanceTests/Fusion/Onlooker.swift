import SwitchbackPrograms

/// Who looks at the values between a chain's calls. None of them may change a bit of what the chain computes.
enum Onlooker: CaseIterable {
  case nobody, probes, taps, host

  /// Makes them look, and says which values an executor has to tap.
  func look(at values: [Value], in builder: inout ProgramBuilder) throws -> Set<Int> {
    for value in values {
      switch self {
      case .nobody, .taps: break
      case .probes: builder.output("looks at \(value.id)", try builder.append(Statistics(), value))
      case .host: builder.output("shows \(value.id)", value)
      }
    }
    return self == .taps ? Set(values.map(\.id)) : []
  }
}
