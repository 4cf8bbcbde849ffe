// A wav file as it is: 16- or 24-bit PCM or 32-bit float, any rate, 1 to 8 channels interleaved.
using System;
using System.IO;
using System.Text;

internal sealed class Wav
{
    internal int RateHz, Channels;
    internal short[] Pcm;     // one of these two is there
    internal float[] Floats;

    internal int Samples { get { return (Pcm != null ? Pcm.Length : Floats.Length) / Channels; } }

    // Throws IOException saying what is wrong with the file.
    internal static Wav Read(string path)
    {
        try
        {
            return Parse(File.ReadAllBytes(path));
        }
        catch (InvalidDataException wrong)
        {
            throw new IOException(path + ": " + wrong.Message);
        }
    }

    private static Wav Parse(byte[] bytes)
    {
        if (bytes.Length < 12 || Tag(bytes, 0) != "RIFF" || Tag(bytes, 8) != "WAVE")
            throw new InvalidDataException("it is no RIFF WAVE file");
        int code = 0, channels = 0, rate = 0, bits = 0;
        for (long at = 12; at + 8 <= bytes.Length;)
        {
            var name = Tag(bytes, (int)at);
            // a recorder that was cut off leaves a size of 0xffffffff
            var size = Math.Min(BitConverter.ToUInt32(bytes, (int)at + 4), bytes.Length - at - 8);
            var body = (int)at + 8;
            if (name == "fmt ")
            {
                if (size < 16) throw new InvalidDataException("its fmt chunk is too short");
                code = BitConverter.ToUInt16(bytes, body);
                channels = BitConverter.ToUInt16(bytes, body + 2);
                rate = BitConverter.ToInt32(bytes, body + 4);
                bits = BitConverter.ToUInt16(bytes, body + 14);
                if (code == 0xfffe && size >= 26) code = BitConverter.ToUInt16(bytes, body + 24); // the real one is inside
            }
            if (name == "data")
            {
                var wav = Read(bytes, body, (int)size, code, channels, rate, bits);
                if (wav.Samples == 0)
                    throw new InvalidDataException("it holds no samples: nothing was recorded, or it was cut off");
                return wav;
            }
            at += 8 + size + size % 2;
        }
        throw new InvalidDataException("it has no data chunk");
    }

    private static Wav Read(byte[] bytes, int at, int size, int code, int channels, int rate, int bits)
    {
        if (channels < 1 || channels > 8) throw new InvalidDataException("it has no channels, or more than 8");
        bool isPcm = code == 1 && bits == 16, isWide = code == 1 && bits == 24;
        if (!isPcm && !isWide && (code != 3 || bits != 32))
            throw new InvalidDataException("it is neither 16- or 24-bit PCM nor 32-bit float; convert it");
        var count = size / (bits / 8 * channels) * channels; // whole samples only
        var wav = new Wav { RateHz = rate, Channels = channels };
        if (isPcm) wav.Pcm = new short[count];
        else wav.Floats = new float[count];
        if (isWide)
            for (var i = 0; i < count; ++i, at += 3) // to the top of 32 bits, whose sign is then theirs
                wav.Floats[i] = (bytes[at] << 8 | bytes[at + 1] << 16 | bytes[at + 2] << 24) / 2147483648f;
        else Buffer.BlockCopy(bytes, at, isPcm ? (Array)wav.Pcm : wav.Floats, 0, count * bits / 8);
        return wav;
    }

    private static string Tag(byte[] bytes, int at) { return Encoding.ASCII.GetString(bytes, at, 4); }
}
