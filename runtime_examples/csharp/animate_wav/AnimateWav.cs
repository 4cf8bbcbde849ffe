// animate_wav model.pte speech.wav [--fps 30|30000/1001|29.97] [--ensemble on|off] [--chunk-ms MS]
//
// Prints READY once the model is loaded, then a header and one JSON object a frame: what cpp_wav prints, from C#.
using System;
using System.Globalization;
using System.IO;
using System.Text;
using FrameStream;

internal sealed class Options
{
    internal string Model, Wav;
    internal int ChunkMs = 20;
    internal VoiceConfig Config;

    // Null where the words are none that this program knows.
    internal static Options Read(string[] words)
    {
        if (words.Length < 2 || words.Length % 2 != 0) return null;
        var options = new Options { Model = words[0], Wav = words[1] };
        for (var i = 2; i < words.Length; i += 2)
        {
            var value = words[i + 1];
            if (words[i] == "--fps")
            {
                if (!ReadRate(value, ref options.Config)) return null;
            }
            else if (words[i] == "--ensemble" && (value == "on" || value == "off"))
            {
                options.Config.Ensemble = value == "on" ? Ensemble.On : Ensemble.Off;
            }
            else if (words[i] != "--chunk-ms" || !Whole(value, out options.ChunkMs))
            {
                return null;
            }
        }
        return options;
    }

    // From 1 to eight digits, and nothing beside them.
    private static bool Whole(string text, out int value)
    {
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value) && value > 0 && value < 100000000;
    }

    // "30", "30000/1001" or "29.97", by which film and television mean a 1001th of what they round; from 1 to 240 a second.
    private static bool ReadRate(string text, ref VoiceConfig config)
    {
        var parts = text.Split('/');
        config.FpsDenominator = 1;
        if (Whole(parts[0], out config.FpsNumerator))
            return (parts.Length == 1 || (parts.Length == 2 && Whole(parts[1], out config.FpsDenominator))) &&
                config.FpsNumerator >= config.FpsDenominator && config.FpsNumerator <= 240L * config.FpsDenominator;
        double rate;
        if (!double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out rate)) return false;
        if (!(rate >= 1 && rate <= 240)) return false;
        var whole = (int)(rate + 0.5);
        var television = rate < whole && Math.Abs(rate - whole * 1000.0 / 1001) < 0.006;
        config.FpsNumerator = television ? whole * 1000 : (int)(rate * 1000 + 0.5);
        config.FpsDenominator = television ? 1001 : 1000;
        return true;
    }
}

internal sealed class Lines
{
    private readonly TextWriter writer;
    private readonly string[] quoted;
    private readonly StringBuilder line = new StringBuilder();

    internal Lines(TextWriter writer, Model model)
    {
        this.writer = writer;
        quoted = new string[model.Channels];
        for (var i = 0; i < quoted.Length; ++i) quoted[i] = Quoted(model.ChannelName(i));
    }

    internal void Header(Model model, int numerator, int denominator)
    {
        line.Append("{\"format\": \"tinyface.frames\", \"version\": 1, \"fps\": [").Append(numerator).Append(", ");
        line.Append(denominator).Append("], \"sample_rate_hz\": 16000, \"channels\": {");
        for (var i = 0; i < quoted.Length; ++i)
        {
            var range = model.ChannelRange(i);
            line.Append(i > 0 ? ", " : "").Append(quoted[i]).Append(": [").Append(Number(range.Minimum)).Append(", ");
            line.Append(Number(range.Maximum)).Append(']');
        }
        End();
    }

    internal void Write(Frame frame, float[] values)
    {
        line.Append("{\"index\": ").Append(frame.Index).Append(", \"sample\": ").Append(frame.Sample);
        line.Append(", \"time_s\": ").Append((frame.Sample / 16000.0).ToString("F6", CultureInfo.InvariantCulture));
        line.Append(", \"values\": {");
        for (var i = 0; i < quoted.Length; ++i)
            line.Append(i > 0 ? ", " : "").Append(quoted[i]).Append(": ").Append(Number(values[i]));
        End();
    }

    private void End()
    {
        writer.Write(line.Append("}}\n").ToString());
        writer.Flush();
        line.Clear();
    }

    // A float32 so that it reads back as the same.
    private static string Number(float value)
    {
        return ((double)value).ToString("G9", CultureInfo.InvariantCulture).Replace('E', 'e');
    }

    private static string Quoted(string text)
    {
        var quoted = new StringBuilder("\"");
        foreach (var c in text)
        {
            if (c == '"' || c == '\\') quoted.Append('\\').Append(c);
            else if (c < 0x20) quoted.Append("\\u").Append(((int)c).ToString("x4", CultureInfo.InvariantCulture));
            else quoted.Append(c);
        }
        return quoted.Append('"').ToString();
    }
}

internal static class AnimateWav
{
    private static void Play(Options options, TextWriter writer)
    {
        var wav = Wav.Read(options.Wav);
        using (var model = new Model(options.Model))
        {
            var config = options.Config;
            config.RateHz = wav.RateHz;
            config.AudioChannels = wav.Channels;
            if (config.FpsNumerator == 0)
            {
                config.FpsNumerator = model.Info.FpsNumerator;
                config.FpsDenominator = model.Info.FpsDenominator;
            }
            using (var voice = new Voice(model, config))
            {
                writer.Write("READY\n");
                var lines = new Lines(writer, model);
                lines.Header(model, config.FpsNumerator, config.FpsDenominator);
                var chunk = (long)wav.RateHz * options.ChunkMs / 1000 + 1;
                for (var at = 0; at < wav.Samples;)
                {
                    var count = (int)Math.Min(chunk, wav.Samples - at);
                    at += wav.Pcm != null
                        ? voice.Push(wav.Pcm, at * wav.Channels, count)
                        : voice.Push(wav.Floats, at * wav.Channels, count);
                    Drain(voice, lines);
                }
                voice.Finish();
                Drain(voice, lines);
            }
        }
    }

    private static void Drain(Voice voice, Lines lines)
    {
        Frame frame;
        while (voice.Pull(out frame)) lines.Write(frame, voice.Values);
    }

    private static int Main(string[] words)
    {
        var options = Options.Read(words);
        if (options == null)
        {
            Console.Error.WriteLine(
                "usage: animate_wav model.pte speech.wav [--fps 30|30000/1001|29.97] [--ensemble on|off] [--chunk-ms MS]");
            return 2;
        }
        try
        {
            using (var writer = new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(false))) Play(options, writer);
            return 0;
        }
        catch (Exception error) when (error is FrameStreamException || error is IOException ||
                                      error is UnauthorizedAccessException)
        {
            Console.Error.WriteLine("animate_wav: " + error.Message);
            return 1;
        }
    }
}
